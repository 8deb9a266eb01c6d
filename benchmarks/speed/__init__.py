"""The parts of `benchmarks/run.py`: what is measured (tables), on what (data), how (measure), and the report.

Standard library only and little of it: a child's peak memory starts at this process's own, so it must stay small.
"""
