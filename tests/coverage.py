#!/usr/bin/env python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Coverage of the library (src, without src/httpd) by the unit tests alone, with gcc and gcov.

    tests/coverage.py [--left] [--again] [BUILD-DIRECTORY] [FILE...]

Builds below BUILD-DIRECTORY (build/coverage), runs every unit test, and prints the
lines and branches of each file that were reached. It fails if a file has less than 90 %
of its lines or all of them less than 88 % of their branches. --left lists what was not
reached, of FILE... or of all. --again builds and runs only what has changed.
"""
import argparse
import collections
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

LINES_MIN, BRANCHES_MIN = 90.0, 88.0
TOP = pathlib.Path(__file__).resolve().parent.parent


def build(directory, again):
    if not (directory / 'Makefile').exists():
        if not (TOP / 'configure').exists():
            subprocess.run(['autoreconf', '-i'], cwd=TOP, check=True)
        directory.mkdir(parents=True, exist_ok=True)
        subprocess.run([str(TOP / 'configure'), '--quiet', 'CC=gcc',
                        'CFLAGS=-O0 -g --coverage'], cwd=directory, check=True)
    if not again:
        for counts in directory.rglob('*.gcda'):
            counts.unlink()
    subprocess.run(['make', '-s', f'-j{os.cpu_count()}', *programs()], cwd=directory,
                   check=True)


def programs():
    return [f'tests/unit/{source.stem}'
            for source in sorted((TOP / 'tests/unit').glob('test_*.c'))]


def run(directory):
    environment = dict(os.environ, srcdir=str(TOP))
    for program in programs():
        done = subprocess.run([str(directory / program)], cwd=directory, text=True,
                              env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if done.returncode != 0:
            sys.exit(f'{program} fails:\n{done.stdout[-2000:]}')


def read(directory):
    """{file: ({line: count}, {(line, branch): count})}"""
    files = collections.defaultdict(lambda: ({}, {}))
    objects = {}
    for notes in sorted((directory / 'src').rglob('*.gcno')):
        if '/src/httpd/' in str(notes):
            continue
        # of two objects of a file the one that ran; one that no test links counts, too
        if notes.stem not in objects or notes.with_suffix('.gcda').exists():
            objects[notes.stem] = notes
    with tempfile.TemporaryDirectory() as made:
        for number, notes in enumerate(objects.values()):
            place = pathlib.Path(made, str(number))
            place.mkdir()
            subprocess.run(['gcov', '--json-format', '--branch-probabilities',
                            str(notes)], cwd=place, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for result in place.glob('*.gz'):
                with gzip.open(result, 'rt') as text:
                    add(files, json.load(text))
    return files


def add(files, report):
    for part in report['files']:
        name = re.search(r'/(src/(?!httpd/)\w+/\w+\.c)$', part['file'])
        if not name:
            continue
        lines, branches = files[name.group(1)]
        for line in part['lines']:
            number = line['line_number']
            lines[number] = lines.get(number, 0) + line['count']
            for i, branch in enumerate(line['branches']):
                key = (number, i)
                branches[key] = branches.get(key, 0) + branch['count']


def share(counts):
    counts = list(counts)
    return 100.0 * sum(1 for n in counts if n) / len(counts) if counts else 100.0


def tell_left(name, lines, branches):
    text = (TOP / name).read_text(encoding='utf-8').splitlines()
    for number in sorted(set(lines) | {line for line, _ in branches}):
        of_line = [n for (line, _), n in branches.items() if line == number]
        if not lines.get(number):
            word = 'line'
        elif not all(of_line):
            word = f'{of_line.count(0)}/{len(of_line)}'
        else:
            continue
        print(f'{name}:{number}: {word}: {text[number - 1].strip()}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--left', action='store_true')
    parser.add_argument('--again', action='store_true')
    parser.add_argument('directory', nargs='?', default=str(TOP / 'build/coverage'))
    parser.add_argument('files', nargs='*')
    options = parser.parse_args()
    directory = pathlib.Path(options.directory).resolve()
    build(directory, options.again)
    run(directory)
    files = read(directory)
    low = []
    for name, (lines, branches) in sorted(files.items()):
        print(f'{name:26} lines {share(lines.values()):6.1f} % of {len(lines):4}, '
              f'branches {share(branches.values()):6.1f} % of {len(branches):4}')
        if share(lines.values()) < LINES_MIN:
            low.append(name)
    all_lines = [n for lines, _ in files.values() for n in lines.values()]
    all_branches = [n for _, branches in files.values() for n in branches.values()]
    print(f'{"all":26} lines {share(all_lines):6.1f} % of {len(all_lines):4}, '
          f'branches {share(all_branches):6.1f} % of {len(all_branches):4}')
    for name in sorted(options.files or files) if options.left else []:
        tell_left(name, *files[name])
    if low or share(all_branches) < BRANCHES_MIN:
        sys.exit(f'too low: {" ".join(low) or "branches"}')


if __name__ == '__main__':
    main()
