# Prints what bash offers for the words of the arguments, of which the last is being completed; a line for each.
source /usr/share/bash-completion/completions/jailkit
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_jailkit "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
for offered in "${COMPREPLY[@]}"; do
  printf '%s\n' "$offered"
done
