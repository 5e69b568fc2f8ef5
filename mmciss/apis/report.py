"""Writes the report of a run, or merges several runs into one table and one figure.

A folder of run folders stands for all of them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mmciss.apis.command import START_OVER, command_parser, run_command

EXAMPLES = """examples:
  mmciss report work_dirs/mib_15-1
  mmciss report work_dirs/mib_seed0 work_dirs/mib_seed1 work_dirs/finetuning --out work_dirs/compared"""


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line, writes the report and says where it is."""
    parser = command_parser(__doc__, EXAMPLES)
    text = 'run folder (--work-dir of training), or a folder of run folders'
    parser.add_argument('runs', nargs='+', metavar='DIR', help=text)
    parser.add_argument(
        '--out', metavar='DIR', help='folder to write into (default: the run, or merged_report beside the runs)'
    )
    options = parser.parse_args(arguments)
    if options.out is not None and (not options.out.strip() or Path(options.out).is_file()):
        parser.error(f'--out: must be a folder, found {options.out!r}')

    def work() -> None:
        from mmciss.evaluation.failed_runs import find_failures
        from mmciss.evaluation.merge import find_runs
        from mmciss.evaluation.merged_text import headline
        from mmciss.evaluation.report import write_merged_report, write_report

        records = find_runs(options.runs)
        if len(records) == 1:
            path = write_report(records[0].path, options.out)
            text = path.read_text(encoding='utf-8').split('\n![', 1)[0]
            for failed in find_failures(options.runs, [records[0].path]):
                text += f'\n\n{failed["name"]} is not in it: the run failed ({failed["reason"]}), see {failed["log"]}'
        else:
            parent = os.path.commonpath([record.path.resolve().parent for record in records])
            path, problems = write_merged_report(options.runs, options.out or Path(parent) / 'merged_report')
            text = headline(problems)
        sys.stdout.write(f'{text}\n\nThe whole report is in {path.with_suffix(".html")} (and .md)\n')

    return run_command(work, START_OVER)


if __name__ == '__main__':
    sys.exit(main())
