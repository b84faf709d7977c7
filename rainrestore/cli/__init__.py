"""What a person types: one module a subcommand, each with ``add_arguments(parser)`` and ``run(args) -> exit code``."""
