"""Restore photos, videos, cropped faces or whole images, and write the results to a folder.

Each INPUT is a photo, a video, a folder (with its sub-folders) or a pattern such as "in/*.jpg". The tasks are faces
(in rain), renovate (blurred, noisy, compressed faces), rain (in the whole image) and raindrops (on the lens or a
window). For faces and renovate, the command detects the faces, restores them and blends them into the photo; with
--aligned each image is one cropped and aligned face. OUT receives restored/NAME.png, for a photo also its faces,
faces/NAME/0.png (and more with --save-physics and --sheet), for a video restored/NAME.mp4, .mov or .mkv with its
audio, and manifest.jsonl. After an interruption, run the command again: it skips finished files. Files are
written atomically.

The last line printed is one JSON object. Exit codes: 0 all files are restored; 2 the command stopped (a wrong option,
no such file, a full disk); 3 some files failed, for example photos without a face (one line for each, with the reason);
130 interrupted.
"""

import argparse
import sys
import time
from collections import Counter

from rainrestore.cli.options import add_shared, file_path, fraction, print_json, whole_number

#: Some images could not be restored.
EXIT_SOME_FAILED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore restore``."""
    add = parser.add_argument
    add('inputs', nargs='+', metavar='INPUT', help='a photo, a video, a folder, or a pattern')
    add('-o', '--out', type=file_path, required=True, help='folder for the results')
    task = 'the task; it selects the model unless --model is given (default: the task of --model, else faces)'
    add('--task', choices=('faces', 'renovate', 'rain', 'raindrops'), help=task)
    where = parser.add_mutually_exclusive_group()
    where.add_argument('--aligned', action='store_true', default=None, help='each image is a cropped and aligned face')
    boxes = 'CSV file of the faces: boxes, squares, or eyes and mouth'
    where.add_argument('--boxes', type=file_path, metavar='FILE', help=boxes)
    where.add_argument('--detector', help='a registered face detector, or a config file (default: MTCNNDetector)')
    background = 'derain: also remove the rain around the faces; auto: only in photos with certain rain (default: auto)'
    add('--background', choices=('auto', 'keep', 'derain'), help=background)
    add('--model', help='a model of the zoo, or a config with --checkpoint (default: the model of the task)')
    strength = 'fraction of the correction, above 0, at most 1 (default: 1)'
    add('--strength', type=fraction, metavar='S', help=strength)
    keep = "keep the photo's colours in all faces, or in no face (default: in faces without a veil)"
    add('--keep-colour', action=argparse.BooleanOptionalAction, default=None, help=keep)
    add('--preview', action='store_true', default=None, help='only write preview/NAME.png with the faces marked')
    add_shared(parser, '--checkpoint', '--device')
    fast = 'bfloat16 is twice as fast on CPUs with bfloat16 units; the results differ slightly (default: float32)'
    add('--precision', choices=('float32', 'bfloat16'), default='float32', help=fast)
    add('--batch', type=whole_number, default=16, metavar='N', help='batch size (default: 16)')
    add('--save-physics', action='store_true', help='also write J/ (8-bit), S/, T/ and A/ (16-bit, value / 65535)')
    add('--sheet', action='store_true', help='also write sheets/NAME.png: input, restored face, J, S, T, A, F')


def run(args: argparse.Namespace) -> int:
    """Restore, show the progress, list the failures and print the summary."""
    import warnings

    from PIL import Image
    from tqdm import tqdm

    from rainrestore.apis import TASKS, FileOutcome, ImageRestorer, PhotoPreview, PhotoRestorer, Restorer
    from rainrestore.apis.files import FACES, PHYSICS, PREVIEW, RESTORED, VIDEO_TASKS, plan_files, restore_files
    from rainrestore.apis.kinds import kind_of
    from rainrestore.device import described
    from rainrestore.engine.allocator import keep_freed_memory
    from rainrestore.errors import ConfigError
    from rainrestore.faces import read_boxes
    from rainrestore.threads import limit_threads

    # The reader refuses too large images with its own message.
    warnings.simplefilter('ignore', Image.DecompressionBombWarning)
    limit_threads()
    if args.aligned and (given := _given(args, 'preview', 'background', 'strength', 'keep_colour')):
        raise ConfigError(f'--aligned: an aligned face has no photo around it; omit {given}')
    if args.preview and (args.save_physics or args.sheet):
        raise ConfigError('--preview restores nothing; omit --save-physics and --sheet')
    boxes = read_boxes(args.boxes) if args.boxes else None
    restorer = Restorer(
        args.model or TASKS[args.task or 'faces'].model, args.checkpoint, device=args.device,
        precision=args.precision, batch_size=args.batch, task=args.task,
    )  # fmt: skip
    finds_faces = TASKS[restorer.task].finds_faces and not args.aligned
    of_faces = ('aligned', 'boxes', 'preview', 'detector', 'background', 'strength', 'keep_colour')
    if not TASKS[restorer.task].finds_faces and (given := _given(args, *of_faces)):
        raise ConfigError(f'{given}: the task {restorer.task} restores whole images, not faces')
    if args.save_physics and not TASKS[restorer.task].finds_faces:
        raise ConfigError(f'--save-physics: the task {restorer.task} writes no maps; omit it')
    if args.save_physics and not restorer.predicts & set(PHYSICS):
        raise ConfigError(f'--save-physics: {restorer.name} does not predict J, S, T and A; omit it')
    videos = finds_faces and not args.preview
    plan = plan_files(args.inputs, args.out, videos=videos)
    clips = [path for path in plan.sources.values() if kind_of(path) == 'video']
    if clips:
        keep_freed_memory()
    chosen: ImageRestorer = restorer
    # Aligned faces are batched across files, the faces of photos within each photo.
    batch = args.batch if args.aligned else 1
    kinds: tuple[str, ...] = (RESTORED, FACES)
    if finds_faces:
        photos = PhotoRestorer(restorer, args.detector or 'MTCNNDetector', background=args.background or 'auto',
                               boxes=boxes, strength=1 if args.strength is None else args.strength,
                               keep_colour=args.keep_colour)  # fmt: skip
        chosen, kinds = (PhotoPreview(photos), (PREVIEW,)) if args.preview else (photos, kinds)
    print(f'{restorer.name} on {described(restorer.device)}')
    outcomes: list[FileOutcome] = []
    start = time.monotonic()
    # disable=None: no progress bar if the output is not a terminal.
    with (
        tqdm(total=len(plan.sources) + len(plan.unlisted), desc='restore', unit='image', disable=None) as bar,
        tqdm(desc='video', unit='frame', disable=None, leave=False, delay=1) as frames,
    ):

        def on_frame(done: int, total: int) -> None:
            if done <= frames.n:
                frames.reset()
            frames.total = total or None
            frames.update(done - frames.n)

        try:
            for outcome in restore_files(
                chosen, plan, batch=batch, kinds=kinds, physics=args.save_physics, sheets=args.sheet, on_frame=on_frame
            ):
                outcomes.append(outcome)
                if outcome.state == 'restored':
                    bar.update()
                else:
                    # Files that were not restored now must not affect the rate and the remaining time.
                    bar.total -= 1
                    bar.refresh()
                if outcome.found is not None:
                    count = f'{outcome.found} face{"" if outcome.found == 1 else "s"}'
                    bar.write(_on_one_line(f'{outcome.source}: {count} found'), file=sys.stdout)
        except KeyboardInterrupt:
            bar.close()
            raise KeyboardInterrupt('run the command again to continue') from None
    seconds = time.monotonic() - start
    states = Counter(outcome.state for outcome in outcomes)
    failed = {str(outcome.source): outcome.reason for outcome in outcomes if outcome.state == 'failed'}
    notes = {str(outcome.source): outcome.notes for outcome in outcomes if outcome.notes}
    found = {str(outcome.source): outcome.found for outcome in outcomes if outcome.found is not None}
    faces = sum(outcome.faces for outcome in outcomes) if TASKS[restorer.task].finds_faces else 0
    lines = [f'note: {path}: {note}' for path, kept in notes.items() for note in kept]
    unused = [] if boxes is None else sorted(boxes.keys() - {path.resolve() for path in plan.sources.values()})
    videos_left = [file for file in plan.others if kind_of(file) == 'video']
    others = [file for file in plan.others if file not in videos_left]
    other = 'neither an image nor a video' if videos else 'not an image'
    without = [path for path in clips if args.sheet or args.save_physics]
    for paths, before, finding, reason in (
        (unused, f'{args.boxes}: ', ' is not among the inputs', ''),
        (videos_left, '', ': is a video and is skipped', f'; {VIDEO_TASKS}'),
        (others, '', f': is {other} and is skipped', ''),
        (without, '', ': is a video, for which --sheet and --save-physics write nothing', ''),
    ):
        if paths:
            more = f' ({len(paths)} files in total)' if len(paths) > 1 else ''
            lines.append(f'note: {before}{paths[0]}{finding}{more}{reason}')
    lines += [f'note: {folder}: has results of an earlier run, which are skipped' for folder in plan.earlier]
    for line in [*lines, *(f'failed: {path}: {reason}' for path, reason in failed.items())]:
        print(f'rainrestore: {_on_one_line(line)}', file=sys.stderr)
    did = 'marked' if args.preview else 'restored'
    print(f'{states["restored"]} {did}, {states["done"]} done before, {states["failed"]} failed')
    summary = {
        did: states['restored'],
        'done_before': states['done'],
        'failed': failed,
        'notes': notes,
        'passed_over': list(map(str, plan.others)),
        'found': found,
        'faces': faces,
        'faces_per_second': round(faces / seconds, 2),
        'model': restorer.name,
        'fingerprint': chosen.fingerprint,
        'device': str(restorer.device),
        'out': str(args.out),
    }
    print_json(summary)
    return EXIT_SOME_FAILED if failed else 0


def _on_one_line(text: str) -> str:
    """A text without the line breaks and repeated spaces of a file name."""
    return ' '.join(text.split())


def _given(args: argparse.Namespace, *names: str) -> str | None:
    """The first of these options on the command line, or None."""
    return next((f'--{name.replace("_", "-")}' for name in names if getattr(args, name) is not None), None)
