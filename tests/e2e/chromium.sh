#!/bin/sh
# Starts the browser named in CHROMIUM as a polite neighbour of the App's server.
#
# As root, Chromium gives the threads that draw real-time priority; drawing in software, they then take every core
# for as long as anything on the page moves, and the fit, the server and the test itself stand still.
polite="setpriv --bounding-set=-sys_nice --inh-caps=-sys_nice"
$polite true 2>/dev/null || polite=""
exec $polite nice -n 10 "$CHROMIUM" "$@"
