"""Packaging. ``pip install -e .`` gives the working core; ``python tools/install.py`` everything."""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSION = re.search(r"__version__ = '(.+)'", (ROOT / 'rainrestore/__init__.py').read_text(encoding='utf-8'))[1]


class BuildWithConfigs(build_py):
    """Puts configs/, benchmarks/ and the zoo's index into the built package, and leaves most of the zoo out."""

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
    # Only what pip can get right by itself. mmagic, mmcv and torchvision are the installer's: their own requirements
    # would replace the mmengine, the OpenCV or the torch that is there.
    install_requires=[
        # the zoo's; torch and mmengine bring them as well
        'filelock',
        'mmengine>=0.10.7,<1',
        'numpy',
        'pillow',
        'pyyaml',
        'safetensors',
        # before 2.6 a file read with weights_only could still run code (CVE-2025-32434)
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
        # `rainrestore web` without mmagic. Beside it only `python tools/install.py --web` gets it right: by itself pip
        # would bring a huggingface-hub that mmagic's diffusers does not import with.
        'web': ['gradio>=6.31,<7'],
        # Reading and writing videos. Tested with 18; before 17 a part of the calls was another.
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
