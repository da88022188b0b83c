"""ingest: feeds -> reports.published.v1

    fetch ──► parse (in a worker process) ──► compare with what was seen ──► publish once

`core` decides and is pure; `adapters` fetch, parse in workers, and keep state in Redis.
"""
