"""Check the arguments of public functions against their annotations; the error is one line."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from inspect import isclass, isfunction, signature
from numbers import Integral, Real
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from rainrestore.errors import ArgumentError

Checked = TypeVar('Checked', bound=Callable[..., Any])

#: Type -> its name in a message, and the types of the values that have it. numpy's numbers are numbers.
_PLAIN: dict[Any, tuple[str, type]] = {
    bool: ('True or False', bool), int: ('an integer', Integral), float: ('a finite number', Real),
    str: ('a text', str), NoneType: ('None', NoneType),
}  # fmt: skip


def checked(function: Checked) -> Checked:
    """A decorator: each argument must have one of the types of its annotation, and a number must be finite.

    It may decorate a function, a method, or a dataclass. An annotation that has no simple check, such as ``Any``,
    accepts every value.

    Raises:
        ArgumentError: An argument has another type, or is NaN or infinite; the message has its name, what it takes, and
            the value.
    """
    if isclass(function):
        function.__init__ = checked(function.__init__)  # type: ignore[method-assign]
        return function
    parameters = signature(function)

    @cache
    def annotations() -> dict[str, Any]:
        return get_type_hints(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            given = parameters.bind(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)  # Python names a missing or unknown argument
        for name, value in given.items():
            annotation = annotations().get(name, Any)
            if not fits(value, annotation):
                raise ArgumentError(f'{name} must be {described(annotation)}, got {shown(value)}')
            if isinstance(value, str | PurePath) and '\0' in str(value):
                raise ArgumentError(f'{name} has a NUL character: {shown(value)}')
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value has the type of an annotation; True for annotations without a simple check."""
    origin, inside = get_origin(annotation) or annotation, get_args(annotation) or (Any, Any)
    if origin in (Union, UnionType):
        return any(fits(value, kind) for kind in inside)
    if origin is Literal:
        return any(type(value) is type(known) and value == known for known in inside)
    if origin in _PLAIN:
        plain = isinstance(value, _PLAIN[origin][1]) and (origin is bool or not isinstance(value, bool))
        return plain and (origin is not float or abs(value) < math.inf)  # False for NaN
    if origin is Callable:
        return callable(value)
    if origin is Sequence:
        several = (isinstance(value, Sequence) and not isinstance(value, str)) or getattr(value, 'ndim', 0) > 0
        items = value.tolist() if getattr(value, 'ndim', 0) == 1 else value  # the numbers of an array or a tensor
        return several and all(fits(item, inside[0]) for item in items)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(fits(key, inside[0]) and fits(value[key], inside[1]) for key in value)
    if getattr(origin, '_is_protocol', False):
        # An object, not its class. Attributes without a method are optional.
        methods = [name for name, member in vars(origin).items() if isfunction(member)]
        public = [name for name in methods if name == '__call__' or not name.startswith('_')]
        return not isclass(value) and all(callable(getattr(value, name, None)) for name in public)
    return origin is Any or not isclass(origin) or isinstance(value, origin)


def described(annotation: Any) -> str:
    """An annotation in words, such as ``a number or None``."""
    origin, inside = get_origin(annotation) or annotation, get_args(annotation)
    if origin in (Union, UnionType, Literal):
        *others, last = dict.fromkeys(repr(kind) if origin is Literal else described(kind) for kind in inside)
        return f'{", ".join(others)} or {last}' if others else last
    if origin in _PLAIN:
        return _PLAIN[origin][0]
    if origin is Callable:
        return 'a function'
    if origin is Sequence:
        return f'a list, each item {described(inside[0])}'
    if origin is Mapping:
        return 'a dict' if inside[1] is Any else f'a dict, each value {described(inside[1])}'
    name = getattr(origin, '__name__', str(origin))
    return f'{"an" if name[0] in "AEIOUaeiou" else "a"} {name}'


def shown(value: Any) -> str:
    """A value on one short line."""
    text = ' '.join(repr(value).split())
    return text if len(text) <= 100 else f'{text[:100]}...'
