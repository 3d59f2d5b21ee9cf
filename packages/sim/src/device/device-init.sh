#!/bin/sh
# PID 1 of a demo device: keeps the agent alive as a service manager would, takes in orphans, and
# ends when the agent asks for a restart (exit code 194), which takes down everything that runs.
# usage: device-init.sh NODE AGENT CONFIGURATION LOG
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
agent=
trap 'kill -TERM "$agent" 2>/dev/null; wait "$agent"; exit 0' TERM INT
while :; do
  "$1" "$2" --config "$3" >>"$4.out" 2>>"$4" </dev/null &
  agent=$!
  wait "$agent"
  code=$?
  [ "$code" = 194 ] && exit 194
  sleep 0.2
done
