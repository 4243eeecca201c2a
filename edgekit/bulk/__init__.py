"""Bulk prediction: any number of images, from files or shards into part files, resumed where it was interrupted.

`run_job` drives a `Job`: it cuts the sources into shards, lets an engine predict those that are not finished, and
records them in a manifest. An engine, here or on a cluster, calls `predict_shards`.
"""
