"""Writes the report of a run, or merges several runs into one table and one figure.

    python tools/report.py work_dirs/mib_15-1
    python tools/report.py work_dirs/mib_seed0 work_dirs/mib_seed1 work_dirs/finetuning --out work_dirs/compared

A folder of run folders stands for all of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mmciss.evaluation.merge import find_runs
from mmciss.evaluation.report import write_merged_report, write_report
from mmciss.evaluation.report_text import headline


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line, writes the report and says where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    text = 'run folder (--work-dir of training), or a folder of run folders'
    parser.add_argument('runs', nargs='+', metavar='DIR', help=text)
    parser.add_argument('--out', help='folder to write into; default: the run itself, or merged_report beside the runs')
    options = parser.parse_args(arguments)
    if options.out is not None and (not options.out.strip() or Path(options.out).is_file()):
        parser.error(f'--out: must be a folder, found {options.out!r}')
    try:
        records = find_runs(options.runs)
        if len(records) == 1:
            path = write_report(records[0].path, options.out)
            text = path.read_text(encoding='utf-8').split('\n![', 1)[0]
        else:
            parent = os.path.commonpath([record.path.resolve().parent for record in records])
            path, problems = write_merged_report(options.runs, options.out or Path(parent) / 'merged_report')
            text = headline(problems)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'{text}\n\nThe whole report is in {path}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
