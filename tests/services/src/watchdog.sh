# Runs a server in a folder of its own, and ends it together with whoever started it, however that one ends: orders come
# over standard input, a line of shell each, and its end is ours. The pipe has one writer, and the kernel closes it.
#
# Arguments: the folder to make, its owner, the signal that ends the server for good, what to tidy up after that.
folder=$1 owner=$2 end=$3 tidy=$4 server=

# Runs a command to its end.
run() { "$@" </dev/null >>"$folder/log" 2>&1; }

# Starts the server, and says its process id.
start() {
    "$@" </dev/null >>"$folder/log" 2>&1 &
    server=$!
    echo "$server"
}

# Waits until the server has ended. From then on its process id may be somebody else's.
reap() {
    wait "$server"
    server=
}

# Temporary files belong there as well: a MariaDB that starts removes those of others from a folder they share.
export TMPDIR="$folder"
# In a folder that others can make things in: taken only if it is new.
mkdir -m 700 "$folder" && cd "$folder" && chown "$owner" . || exit
echo ready
while read -r order; do
    eval "$order"
done

if [ "$server" ]; then
    kill -s "$end" "$server"
    kill -s CONT "$server"
    reap
fi
eval "$tidy"
cd / && rm -rf "$folder"
