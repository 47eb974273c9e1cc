#!/bin/sh
# The page at /: who answers, from where, since when. Builtins and small files, so that it is quick.

RUN=/run/tiny

value() {
  answer=
  [ -e "$1" ] && read -r answer <"$1"
  echo "${answer:-unknown}"
}

read -r uptime _ </proc/uptime
printf 'Content-Type: text/plain\r\nCache-Control: no-store\r\n\r\n'
cat <<PAGE
name: $(value $RUN/name)
host: $(value $RUN/host)
address: $(value $RUN/address)
uptime: $uptime
boots: $(value $RUN/boots)
kernel: $(uname -r)
kind: $(value $RUN/kind)
instance: $(value $RUN/instance)
before: $(value $RUN/before)
PAGE
