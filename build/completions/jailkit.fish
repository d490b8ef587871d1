# Completions of @PROGRAM@ for fish(1), made from its table of options.
#
# Names from files (of users, jails and sections) are printed, one per line. fish quotes what it inserts, and evaluates
# none of it.

# Sections of an ini file and its drop-ins.
function __jailkit_sections -a config
    set -l base (string replace -r '\.ini$' '' -- $config)
    set -l files $config $base.d/*.ini
    for file in (path filter -f -r -- $files)
        string match -rg '^\[([^]]+)\]' <$file
    end | string match -v DEFAULT | string match -rv '[[:cntrl:]]'
end

# The jails of users, which are the part of their homes before the last /./, and those that are declared.
function __jailkit_jails
    __jailkit_sections /etc/jailkit/jails.ini | string match -rg '^jail (/.*)'
    string match -rg '^(?:[^:]*:){5}(/[^:]+)/\./' </etc/passwd | string match -rv '[[:cntrl:]]'
    __jailkit_directories
end

# Directories. In --option=DIRECTORY the shell itself handles the first part.
function __jailkit_directories
    __fish_complete_directories (commandline -ct | string replace -r '^--[^=]*=' '')
end

# The names in an account file.
function __jailkit_names -a file
    string match -rg '^([^:]+):' <$file | string match -rv '[[:cntrl:]]'
end

# Reads the words before the one that is completed, without the first $argv[1]. $argv[2] is posix if options end at the
# first operand; the other arguments are the options with a value. Prints j if -j is among the words, and the number of
# operands.
function __jailkit_words -a skip posix
    set -l words (commandline -opc)
    set -e words[1..$skip]
    set -l count 0
    set -l jail
    set -l option
    set -l ended
    for word in $words
        if test -n "$option"
            set option
        else if test -n "$ended"; or not string match -qr '^-.' -- $word
            set count (math $count + 1)
            test "$posix" = posix; and set ended 1
        else if test "$word" = --
            set ended 1
        else if string match -q -- '--*' $word
            string match -qr '^--jail(=|$)' -- $word; and set jail j
            contains -- $word $argv[3..]; and set option $word
        else
            # Several letters: the value of an option is the rest of the word, or the next word.
            for letter in (string split '' -- (string sub -s 2 -- $word))
                test "$letter" = j; and set jail j
                if contains -- -$letter $argv[3..]
                    string match -q -- "*$letter" $word; and set option -$letter
                    break
                end
            end
        end
    end
    echo "$jail:$count"
end

# The value of -c or --configfile among the words, or $argv[1] without one.
function __jailkit_configfile -a file
    set -l option
    for word in (commandline -opc)
        if test -n "$option"
            set file $word
            set option
        else if contains -- $word -c --configfile
            set option $word
        else if string match -qr '^(?:--configfile=|-c)' -- $word
            set file (string replace -r '^(?:--configfile=|-c)' '' -- $word)
        end
    end
    string unescape -- $file | string replace -r '^~/' "$HOME/"
end
@REST@
