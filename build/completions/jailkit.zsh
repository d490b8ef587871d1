#compdef @PROGRAMS@
# Completions of jailkit for zsh(1), made from the tables of its programs.
#
# Names from files (of users, jails and sections) go to compadd as the elements of an array. It quotes what it inserts,
# and nothing evaluates them.

# Offers the printable elements of names; $1 says what they are, and the rest are options of compadd.
_jailkit_add() {
  local what=$1
  local -a expl
  shift
  names=(${names:#*[[:cntrl:]]*})
  _description ${what// /-} expl $what
  compadd "$expl[@]" "$@" -a names
}

# Sections of the ini file of the program, or of the file that -c names.
_jailkit_sections() {
  local file line config=${opt_args[-c]:-${opt_args[--configfile]}}
  local -a names
  config=${(Q)config}
  [[ $config == \~/* ]] && config=$HOME/${config#\~/}
  : ${config:=/etc/jailkit/$tool.ini}
  for file in $config ${config%.ini}.d/*.ini(N); do
    [[ -f $file && -r $file ]] || continue
    while IFS= read -r line || [[ -n $line ]]; do
      [[ $line == \[?*\]* ]] || continue
      line=${line#\[}
      line=${line%%\]*}
      [[ $line == DEFAULT ]] || names+=("$line")
    done <$file
  done
  _jailkit_add section
}

# The jails of users (the part of their homes before the last /./), those that are declared, and directories.
_jailkit_jails() {
  local file home line
  local -a names
  for file in /etc/jailkit/jails.ini(N) /etc/jailkit/jails.d/*.ini(N); do
    [[ -f $file && -r $file ]] || continue
    while IFS= read -r line || [[ -n $line ]]; do
      [[ $line == \[jail\ /*\]* ]] || continue
      line=${line#\[jail }
      names+=("${line%%\]*}")
    done <$file
  done
  while IFS=: read -r _ _ _ _ _ home _; do
    [[ $home == /?*/./* ]] && names+=("${home%/./*}")
  done </etc/passwd
  names=(${(u)names})
  _jailkit_add jail -f
  _path_files -/
}

# The names in an account file.
_jailkit_names() {
  local name
  local -a names
  while IFS=: read -r name _; do
    names+=("$name")
  done <$2
  _jailkit_add $1
}

_jailkit_users() { _jailkit_names user /etc/passwd }
_jailkit_groups() { _jailkit_names group /etc/group }
_jailkit_files() { _path_files }
_jailkit_directories() { _path_files -/ }
_jailkit_none() { return 1 }

# The first kind if -j was given, else the second.
_jailkit_either() {
  if (( ${+opt_args[-j]} || ${+opt_args[--jail]} )); then
    _jailkit_$1
  else
    _jailkit_$2
  fi
}

_jailkit() {
  local curcontext=$curcontext tool=${service:t} state line
  local -A opt_args
  local -a commands
  if [[ $tool == jailkit ]]; then
    if (( CURRENT == 2 )) && [[ $PREFIX == -* ]]; then
      commands=('--help:show the commands and exit' '--version:show the version and exit')
      _describe -o option commands
      return
    elif (( CURRENT == 2 )); then
      commands=(
        @COMMANDS@
      )
      _describe command commands
      return
    fi
    tool=$words[2]
    [[ $tool == jk_* ]] || tool="jailkit $tool"
    shift words
    (( CURRENT-- ))
  fi
  case $tool in
    @TOOLS@
  esac
}

_jailkit "$@"
