"""Seeing into a running gateway: snapshots, metrics, the status command and page, Home Assistant.

All of it reads one immutable snapshot that the scoring thread makes when somebody asks; nothing here can make that
thread wait.
"""
