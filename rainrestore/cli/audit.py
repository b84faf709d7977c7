"""Measure the contribution of each part of a trained model.

MODEL is a zoo model, or a config with its CHECKPOINT. For each slot (rain_removal, face_parser, generator, its trunk,
or the slots of your own network) the audit replaces the output by its mean over the test faces, by the output for
another face and, for a trunk, by the output of its first layer, and prints the change of the scores. It also compares
parsing and rain maps with constants, and lists layers with weights near zero. The last line is one JSON object.
"""

import argparse

from rainrestore.cli.options import add_shared, file_path, print_json, whole_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore audit``."""
    add = parser.add_argument
    add('model', metavar='MODEL', help='a zoo model, such as fcg_gan_x4, or a config (.py)')
    add('checkpoint', nargs='?', help='the weights of a config: a file or rainrestore://NAME')
    add_shared(parser, '--data')
    add('--faces', type=whole_number, metavar='N', help='the first N test faces (default: all)')
    add('--plot', type=file_path, metavar='FILE.png', help='draw gains, parsing and small layers')
    add_shared(parser, '--device')


def run(args: argparse.Namespace) -> None:
    """Audit, print and draw."""
    from rainrestore.apis.restorer import find_model
    from rainrestore.audit import audit, format_audit
    from rainrestore.engine.allocator import keep_freed_memory
    from rainrestore.files import check_place
    from rainrestore.threads import limit_threads

    if args.plot is not None:
        check_place(args.plot)
    keep_freed_memory()
    limit_threads()
    config, name, checkpoint = find_model(args.model, args.checkpoint)
    found = audit(config, checkpoint, name=name, data_root=args.data, faces=args.faces, device=args.device)
    print(format_audit(found))
    if args.plot is not None:
        from rainrestore.audit.plot import plot_audit

        print(f'\nplot: {plot_audit(found, args.plot)}')
    print_json(found.to_dict())
