# Types the argument and a tab to a real zsh on a terminal, and prints what its completion adds; a line for each.
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'stty -echo; PROMPT=; fpath=(/usr/share/zsh/site-functions $fpath); autoload -U compinit; compinit -D -u'
# What is added is written down; the calls that only ask are let through.
zpty -w z 'compadd() {
  if [[ " $* " == *" -"[OAD]" "* ]]; then builtin compadd "$@"; return; fi
  local -a hits
  builtin compadd -A hits "$@"
  (( $#hits )) && print -rl -- $hits >>/tmp/hits
  builtin compadd "$@"
}'
zpty -w z 'ended() { print -n "<""END"">" }
complete-now() { comppostfuncs=(ended); zle complete-word }
zle -N complete-now; zle -C complete-word .complete-word _main_complete; bindkey "^I" complete-now
print "<""READY"">"'
zpty -r z answer $'*<READY>*'
: >/tmp/hits
zpty -w -n z "$1"$'\t'
zpty -r z answer $'*<END>*'
zpty -d z
cat /tmp/hits
