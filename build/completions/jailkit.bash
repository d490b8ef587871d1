# Completions of jailkit for bash(1), made from the tables of its programs.
#
# Names from files (of users, jails and sections) are only values of variables here: never code, never a pattern, and
# never the list of compgen -W, which would expand them.

# Adds the sections of an ini file and its drop-ins to found.
_jailkit_sections() {
  local file line
  for file in "$1" "${1%.ini}".d/*.ini; do
    [[ -f $file && -r $file ]] || continue
    while IFS= read -r line || [[ -n $line ]]; do
      [[ $line == \[?*\]* ]] || continue
      line=${line#\[}
      line=${line%%\]*}
      [[ $line == DEFAULT ]] || found+=("$line")
    done <"$file"
  done
}

# Adds the jails of users to found, which are the part of their homes before the last /./, and those that are declared.
_jailkit_jails() {
  local home name
  local -a jails=("${found[@]}")
  found=()
  _jailkit_sections /etc/jailkit/jails.ini
  for name in "${found[@]}"; do
    [[ $name == "jail /"* ]] && jails+=("${name#jail }")
  done
  found=("${jails[@]}")
  while IFS=: read -r _ _ _ _ _ home _; do
    [[ $home == /?*/./* ]] && found+=("${home%/./*}")
  done </etc/passwd
}

# Adds the names in an account file to found.
_jailkit_names() {
  local name
  while IFS=: read -r name _; do
    found+=("$name")
  done <"$1"
}

# Offers the names in found, quoted for the shell.
_jailkit_offer() {
  local name word
  for name in "${found[@]}"; do
    [[ $name == *[[:cntrl:]]* || $name != "$want"* ]] && continue
    if [[ -z $quote ]]; then
      printf -v word %q "$name"
      COMPREPLY+=("$word")
    elif [[ $name != *[!A-Za-z0-9_./@%+=:,\ -]* ]]; then
      # After a quotation mark a name cannot be quoted: only harmless ones are offered.
      COMPREPLY+=("$name")
    fi
  done
}

# Adds a path to what is offered, unless it is there.
_jailkit_offer_path() {
  local one
  for one in "${COMPREPLY[@]}"; do
    [[ $one == "$1" ]] && return
  done
  COMPREPLY+=("$1")
}

# Offers the paths in found, files (-f) or directories (-d); the shell itself quotes file names.
_jailkit_offer_paths() {
  local name
  compopt -o filenames 2>/dev/null
  for name in "${found[@]}"; do
    [[ $name != *[[:cntrl:]]* && $name == "$want"* ]] && _jailkit_offer_path "$name"
  done
  while IFS= read -r name; do
    _jailkit_offer_path "$name"
  done < <(compgen "$1" -- "$want")
}

# Offers names of the current kind; $1 is the program.
_jailkit_complete() {
  local file
  local -a found=("${words[@]}")
  case $kind in
    jail)
      _jailkit_jails
      _jailkit_offer_paths -d
      ;;
    directory) _jailkit_offer_paths -d ;;
    file) _jailkit_offer_paths -f ;;
    section)
      file=${configfile:-/etc/jailkit/$1.ini}
      [[ $file == \~/* ]] && file=$HOME/${file#\~/}
      _jailkit_sections "$file"
      _jailkit_offer
      ;;
    user)
      _jailkit_names /etc/passwd
      _jailkit_offer
      ;;
    group)
      _jailkit_names /etc/group
      _jailkit_offer
      ;;
    words) _jailkit_offer ;;
  esac
}

# Sets plain to a word without quotation marks and backslashes.
_jailkit_plain() {
  plain=${1#[\"\']}
  plain=${plain%[\"\']}
  plain=${plain//\\/}
}

# Reads the words from $2 up to the one that is completed. Sets option to one that lacks its value, and count to the
# number of operands.
_jailkit_read_words() {
  local tool=$1 at=$2 word letters plain
  for (( ; at < COMP_CWORD; at++)); do
    word=${COMP_WORDS[at]}
    if [[ -n $option ]]; then
      # In bash --jail=X is three words.
      [[ $word == = ]] && continue
      _jailkit_plain "$word"
      [[ $option == -c || $option == --configfile ]] && configfile=$plain
      option=
    elif [[ -n $ended || $word != -?* ]]; then
      count=$((count + 1))
      _jailkit_is_posix "$tool" && ended=1
    elif [[ $word == -- ]]; then
      ended=1
    elif [[ $word == --* ]]; then
      [[ $word == --jail ]] && jail=j
      _jailkit_value "$tool:$word" && option=$word
    else
      # Several letters: the value of an option is the rest of the word, or the next word.
      letters=${word#-}
      while [[ -n $letters ]]; do
        word=-${letters:0:1}
        letters=${letters:1}
        [[ $word == -j ]] && jail=j
        if _jailkit_value "$tool:$word"; then
          [[ -z $letters ]] && option=$word
          break
        fi
      done
    fi
  done
}

# Sets kind for the value of an option; fails for a flag.
_jailkit_value() {
  case $1 in
    @VALUES@
    *) return 1 ;;
  esac
}

# Sets found to the options of a program.
_jailkit_options() {
  case $1 in
    @OPTIONS@
  esac
}

# Sets kind for an operand: the program, j if -j was given, and a number from 0.
_jailkit_operand() {
  case $1 in
    @OPERANDS@
  esac
}

# Whether the options of a program end at its first operand.
_jailkit_is_posix() {
  case $1 in
    @POSIX@
    *) return 1 ;;
  esac
}

_jailkit() {
  local tool=${COMP_WORDS[0]##*/} first=1 plain quote= option= jail= configfile= count=0 ended= kind= want
  local -a words=() found=()
  COMPREPLY=()
  want=${COMP_WORDS[COMP_CWORD]}
  [[ $want == [\"\']* ]] && quote=1
  _jailkit_plain "$want"
  want=$plain
  if [[ $tool == jailkit ]]; then
    if ((COMP_CWORD == 1)); then
      found=(@COMMANDS@)
      _jailkit_offer
      return
    fi
    first=2
    tool=${COMP_WORDS[1]}
    [[ $tool == jk_* ]] || tool="jailkit $tool"
  fi
  _jailkit_read_words "$tool" "$first"
  if [[ -n $option ]]; then
    [[ $want == = ]] && want=
    _jailkit_value "$tool:$option"
  elif [[ $want == -* && -z $ended ]]; then
    _jailkit_options "$tool"
    _jailkit_offer
    return
  else
    kind= words=()
    _jailkit_operand "$tool:$jail:$count"
  fi
  _jailkit_complete "$tool"
}

complete -F _jailkit @PROGRAMS@
