"""Installs mmciss; the configs and tools travel inside the package, where ``mim`` looks for them."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# What `tools/quickstart.py lint` runs, as configured in pyproject.toml.
LINT = ['ruff', 'mypy', 'codespell']
DOCS = ['sphinx>=8.2', 'myst-parser>=4', 'furo']


class BuildWithConfigs(build_py):
    """Copies ``configs`` and ``tools`` into ``mmciss/.mim`` of what is built."""

    def run(self) -> None:
        """Builds the package, then adds the folders."""
        super().run()
        if getattr(self, 'editable_mode', False):
            return
        inside = Path(self.build_lib) / 'mmciss' / '.mim'
        for name in ('configs', 'tools'):
            shutil.copytree(
                ROOT / name, inside / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns('__pycache__')
            )
        shutil.copy2(ROOT / 'model-index.yml', inside)


def read_version() -> str:
    """Reads the version without importing the package."""
    scope: dict = {}
    exec((ROOT / 'mmciss' / 'version.py').read_text(), scope)
    return scope['__version__']


setup(
    name='mmciss',
    version=read_version(),
    description='Class-incremental semantic segmentation for MMSegmentation',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='the developers of mmciss',
    license='Apache-2.0',
    keywords='semantic segmentation, continual learning, class-incremental learning, mmsegmentation',
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3 :: Only',
        'Programming Language :: Python :: 3.11',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    packages=find_packages(include=['mmciss', 'mmciss.*']),
    include_package_data=True,
    package_data={'mmciss': ['**/*.html', '**/*.json', '**/*.txt', '**/*.yaml']},
    python_requires='>=3.10',
    install_requires=[
        'torch>=2.6',
        'onedl-mmengine>=0.10.12,<0.11',
        'onedl-mmcv>=2.3.6,<2.4',
        'onedl-mmsegmentation>=1.4.2,<1.5',
        'onedl-mmpretrain>=1.3.6,<1.4',
        'bokeh>=3.7',
        'ftfy>=6.1',
        'jinja2',
        'markdown-it-py>=3',
        'matplotlib',
        'numpy',
        'opencv-python',
        'pillow',
        'pycocotools',
        'pyyaml',
        'rich',
    ],
    extras_require={
        'test': [
            'pytest',
            'pytest-cov',
            'pytest-xdist',
            'hypothesis',
            'captum',
            'playwright',
            'submitit',
            'tensorboard',
            *DOCS,
            *LINT,
            'setuptools>=77',
            'wheel',
            'nbclient',
            'nbformat',
            'ipykernel',
        ],
        'docs': DOCS,
        'lint': LINT,
        'slurm': ['submitit'],
        'tensorboard': ['tensorboard'],
        'mask2former': ['onedl-mmdetection'],
    },
    entry_points={'console_scripts': ['mmciss = mmciss.cli:main']},
    cmdclass={'build_py': BuildWithConfigs},
)
