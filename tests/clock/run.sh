#!/bin/sh
# Runs the fast tests as in a year and as in ten years, and the fleet report's page with the clock of its browser set.
# No test may depend on the day it runs.
set -eu
cd "$(dirname "$0")/../.."

# Tests that fail by faketime's own doing, one a line: the test, then the reason.
left_out='
tests/unit/roles/keras_image/test_builds.py::test_the_second_waits_and_each_sees_its_own_end under faketime only, the log of the first build ends up empty
'

if ! command -v faketime >/dev/null; then
    echo "==> Installing distribution packages: faketime"
    [ "$(id -u)" = 0 ] && sudo= || sudo="sudo -n"
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends faketime >/dev/null
fi

set --
while read -r test reason; do
    [ -n "$test" ] || continue
    echo "==> Without $test: $reason"
    set -- "$@" "--deselect=$test"
done <<END
$left_out
END

# Timeouts are of the monotonic clock, which goes on as it is.
export FAKETIME_DONT_FAKE_MONOTONIC=1
for days in 400 3650; do
    echo "==> In $days days"
    PYTHONPATH=$PWD/tests/clock faketime -f "+${days}d" .venv/bin/python -m pytest -m "not slow" -n 2 "$@"
done
.venv/bin/python -m pytest tests/integration/test_fleet_report.py
