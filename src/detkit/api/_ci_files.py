"""The workflows that `detkit ci init` writes; `@EVAL@` is the command that scores."""

from __future__ import annotations

__all__ = ["GITHUB", "GITLAB", "MARKER"]

#: First line of the comment: the next run finds its own comment by it.
MARKER = "<!-- detkit gate -->"

GITHUB = f"""\
# Written by `detkit ci init`. Edit it as you like: detkit does not read it.
name: detkit
on:
  pull_request:
  push:
    branches: [main]
permissions:
  contents: read
  pull-requests: write
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - name: Install
        # Name a wheel, or git+URL@TAG: PyPI's `detkit` is another project.
        env:
          DETKIT_PACKAGE: ""
        run: python -m pip install "${{DETKIT_PACKAGE:?name where detkit @VERSION@ is installed from}}"
      # Make the predictions here, or download them.
      - name: Score
        run: >-
          @EVAL@
          --save-matches detkit-result.npz --format json --output detkit-result.json --overwrite
      - name: Judge
        run: >-
          detkit gate detkit-result.json --rules .detkit/rules.toml --baseline .detkit/baseline.json
          --explain --report junit=detkit-gate.xml --report markdown=detkit-gate.md --report github=- --overwrite
      - name: Comment
        # A pull request from a fork has no right to comment; its step summary says the same.
        if: >-
          ${{{{ !cancelled() && github.event_name == 'pull_request'
          && github.event.pull_request.head.repo.full_name == github.repository }}}}
        uses: actions/github-script@v7
        with:
          script: |
            const fs = require('fs')
            const marker = '{MARKER}'
            const report = fs.existsSync('detkit-gate.md')
              ? fs.readFileSync('detkit-gate.md', 'utf8')
              : '**Verdict**: none, the predictions could not be scored. See the log of this job.'
            const body = (marker + '\\n## Detection gate\\n\\n' + report).slice(0, 65000)
            const here = {{ owner: context.repo.owner, repo: context.repo.repo }}
            const comments = await github.paginate(github.rest.issues.listComments,
              {{ ...here, issue_number: context.issue.number }})
            const mine = comments.find(comment => comment.body.startsWith(marker))
            if (mine) {{
              await github.rest.issues.updateComment({{ ...here, comment_id: mine.id, body }})
            }} else {{
              await github.rest.issues.createComment({{ ...here, issue_number: context.issue.number, body }})
            }}
      - uses: actions/upload-artifact@v4
        if: ${{{{ !cancelled() }}}}
        with:
          name: detkit
          path: |
            detkit-result.*
            detkit-gate.*
          if-no-files-found: ignore
"""

GITLAB = """\
# Written by `detkit ci init`. In .gitlab-ci.yml: include: [{local: .gitlab/detkit.yml}]
# The merge request shows the test report and the metrics in place, so no comment is written.
detkit:
  image: python:3.12
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
  variables:
    DETKIT_CACHE_DIR: $CI_PROJECT_DIR/.detkit-cache
    # Name a wheel, or git+URL@TAG: PyPI's `detkit` is another project.
    DETKIT_PACKAGE: ""
  script:
    - python -m pip install "${DETKIT_PACKAGE:?name where detkit @VERSION@ is installed from}"
    # Make the predictions here, or take them from an earlier job.
    - >-
      @EVAL@
      --save-matches detkit-result.npz --format json --output detkit-result.json --overwrite
    - >-
      detkit gate detkit-result.json --rules .detkit/rules.toml --baseline .detkit/baseline.json
      --explain --report junit=detkit-gate.xml --report gitlab=detkit-metrics.txt --overwrite
  artifacts:
    when: always
    paths: [detkit-result.json, detkit-result.npz, detkit-gate.xml, detkit-metrics.txt]
    reports:
      junit: detkit-gate.xml
      metrics: detkit-metrics.txt
"""
