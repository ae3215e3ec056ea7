# What the hook scripts have in common; they read it in.

# The server listens on PORT, if the environment has one (`shipit env set`), else on one port per environment.
case $SHIPIT_ENVIRONMENT in
production) port=${PORT:-8080} ;;
*) port=${PORT:-8081} ;;
esac

# In the target and not in a release, so that the next release finds the server of this one.
run=$SHIPIT_TARGET/run
pid_file=$run/server.pid
log=$run/server.log

# The server's process id, or nothing. Ids are used again: a process is ours only if it was started for this target.
server() {
    if pid=$(cat "$pid_file" 2>/dev/null) && grep -qszxF "SHIPIT_TARGET=$SHIPIT_TARGET" "/proc/$pid/environ"; then
        echo "$pid"
    fi
}

# Ends the server, and succeeds if there is none. Requests under way have ten seconds.
stop_server() {
    for signal in TERM KILL; do
        pid=$(server)
        if [ -n "$pid" ]; then
            kill -s "$signal" "$pid" 2>/dev/null || true    # it may have ended just now
        fi
        for tenth in $(seq 100); do
            if [ -z "$(server)" ]; then
                rm -f "$pid_file"
                return 0
            fi
            sleep 0.1
        done
    done
    echo "the server, process $pid, does not end" >&2
    return 1
}

# What the server answers, which says whether it works and which revision it is.
url=http://127.0.0.1:$port/health
fetch() {
    node --input-type=module -e 'const answer = await fetch(process.argv[1], { signal: AbortSignal.timeout(2000) })
console.log(await answer.text())' "$1"
}
