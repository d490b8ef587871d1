# Types a line, a tab and return to a shell on a terminal ($1: bash or zsh), and prints the arguments that the program
# of the line then gets, each in <>.
zmodload zsh/zpty
case $1 in
  bash)
    zpty s bash --norc --noprofile -i
    zpty -w s 'stty -echo; PS1=; source /usr/share/bash-completion/completions/jailkit'
    ;;
  zsh)
    zpty s zsh -f -i
    zpty -w s 'stty -echo; PROMPT=; fpath=(/usr/share/zsh/site-functions $fpath); autoload -U compinit; compinit -D -u'
    ;;
esac
zpty -w s 'jk_init() { printf "<%s>" "$@" >/tmp/typed; echo "<""TYPED"">"; }; echo "<""READY"">"'
zpty -r s answer $'*<READY>*'
zpty -w s "$2"$'\t'
zpty -r s answer $'*<TYPED>*'
zpty -d s
cat /tmp/typed
