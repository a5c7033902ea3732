# Installs Debian packages without letting them start services of their own: the tests start private ones.
#
# Arguments: where policy-rc.d belongs (usually /usr/sbin/policy-rc.d), and the packages. See invoke-rc.d(8): 101 is "not
# allowed". Whoever has a policy already keeps it.
policy=$1
shift
made=
trap '[ -z "$made" ] || rm -f "$policy"' EXIT
trap 'exit 1' HUP INT TERM
if [ ! -e "$policy" ]; then
    made=1
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
# A fresh machine has no package lists; an old list names files that are gone. So: update, then install.
apt-get update --quiet && apt-get install --yes --no-install-recommends "$@"
