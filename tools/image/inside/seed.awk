# Reads cloud-init's NoCloud files, meta-data and then user-data if that is #cloud-config, and files
# what tiny understands under the folder `out`, one value a file:
#
#   instance-id local-hostname remuda-host hostname   the text
#   keys                                              SSH public keys, one a line
#   runcmd                                            a shell script
#   file.N.path .permissions .append .encoding .content   what write_files asks for, N from 1
#
# This is not YAML but the part of it that such files use: `key: value` and lists of those, plain or
# quoted, on one line each; flow lists `[a, "b c"]` in runcmd; literal blocks (|). Lines that it does
# not understand are passed over, as cloud-init passes over modules that it does not have.

BEGIN { simple = " instance-id local-hostname remuda-host hostname " }

FNR == 1 { endBlock(); section = "" }
{ sub(/\r$/, "") }

# A block goes on while lines are empty or indented at least as its first.
block != "" {
  match($0, /^ */)
  if ($0 ~ /^ *$/) { emptyLines++; next }
  if (blockIndent < 0 && RLENGTH > blockParent) blockIndent = RLENGTH
  if (blockIndent >= 0 && RLENGTH >= blockIndent) {
    for (; emptyLines > 0; emptyLines--) print "" > block
    print substr($0, blockIndent + 1) > block
    next
  }
  endBlock()
}

/^[ \t]*(#|$)/ || /^(---|\.\.\.)/ { next }

/^[A-Za-z0-9_-]+:/ {
  section = $0
  sub(/:.*/, "", section)
  rest = $0
  sub(/^[^:]*:[ \t]*/, "", rest)
  if (index(simple, " " section " ") > 0) print plain(rest) > (out "/" section)
  if (section == "public-keys" || section == "ssh_authorized_keys") keys(rest)
  next
}

section == "public-keys" || section == "ssh_authorized_keys" { keys($0); next }

section == "runcmd" && /^ *- / {
  match($0, /^ */)
  indent = RLENGTH
  rest = substr($0, indent + 3)
  sub(/^ +/, "", rest)
  if (rest ~ /^\[/) print words(rest) > (out "/runcmd")
  else if (rest ~ /^[|>][-+]?$/) beginBlock(out "/runcmd", indent)
  else print plain(rest) > (out "/runcmd")
  next
}

section == "write_files" {
  match($0, /^ */)
  indent = RLENGTH
  if (sub(/^ *- +/, "")) { files++; indent += 2 }
  else sub(/^ +/, "")
  if (files == 0 || $0 !~ /^(path|permissions|append|encoding|content):/) next
  key = $0
  sub(/:.*/, "", key)
  rest = $0
  sub(/^[^:]*:[ \t]*/, "", rest)
  name = out "/file." files "." key
  if (rest ~ /^[|>][-+]?$/) beginBlock(name, indent)
  else { printf "%s%s", plain(rest), key == "content" ? "" : "\n" > name; close(name) }
}

END { endBlock() }

function beginBlock(name, parent) {
  block = name
  blockParent = parent
  blockIndent = -1
  emptyLines = 0
}

function endBlock() {
  # runcmd stays open: closing it would make the next item begin the script anew.
  if (block != "" && block != out "/runcmd") close(block)
  block = ""
}

# The text of a scalar: without quotes, or without the comment behind it.
function plain(text) {
  if (text ~ /^'/) {
    sub(/^'/, "", text)
    sub(/'[ \t]*(#.*)?$/, "", text)
    gsub(/''/, "'", text)
  } else if (text ~ /^"/) {
    sub(/^"/, "", text)
    sub(/"[ \t]*(#.*)?$/, "", text)
    gsub(/\\n/, "\n", text)
    gsub(/\\t/, "\t", text)
    gsub(/\\"/, "\"", text)
    gsub(/\\\\/, "\\", text)
  } else {
    sub(/[ \t]+#.*$/, "", text)
    sub(/[ \t]+$/, "", text)
  }
  return text
}

# Files every public key in a line, whatever list or map it stands in.
function keys(text) {
  while (match(text, /(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ +[A-Za-z0-9+\/=]+[^]"',]*/)) {
    print substr(text, RSTART, RLENGTH) > (out "/keys")
    text = substr(text, RSTART + RLENGTH)
  }
}

# A flow list as a shell command of quoted words.
function words(text,    line, word, mark, i, c, begun) {
  for (i = 2; i <= length(text); i++) {
    c = substr(text, i, 1)
    if (mark != "") {
      if (c == mark) mark = ""
      else if (c == "\\" && mark == "\"") word = word substr(text, ++i, 1)
      else word = word c
    } else if (c == "," || c == "]") {
      sub(/ +$/, "", word)
      gsub(/'/, "'\\''", word)
      if (word != "" || begun) line = line "'" word "' "
      word = ""
      begun = 0
      if (c == "]") break
    } else if ((c == "\"" || c == "'") && word == "") { mark = c; begun = 1 }
    else if (c != " " || word != "") word = word c
  }
  return line
}
