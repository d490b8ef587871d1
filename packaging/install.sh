#!/bin/sh
set -eu

usage="usage: sh install.sh [--with-procmail] [--uninstall] [DESTDIR]

Installs jailkit from the folder of this script, or removes it.

  DESTDIR          install everything below this absolute path, for package builders
  --with-procmail  install jk_procmailwrapper even if there is no /usr/bin/procmail
  --uninstall      remove what was installed, except edited files in /etc/jailkit
  --help           show this help and exit

A second run updates an older version. Existing files in /etc/jailkit are never overwritten: the new default is installed
beside them as NAME.dist. Exit status: 0 success; 1 failure, and the last line says why."

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
destdir=
uninstall=
procmail=
for word in "$@"; do
    case $word in
    --help | -h)
        printf '%s\n' "$usage"
        exit 0
        ;;
    --uninstall) uninstall=1 ;;
    --with-procmail) procmail=1 ;;
    /*) destdir=${word%/} ;;
    *)
        echo "install.sh: $word: neither an option nor an absolute path; see --help" >&2
        exit 1
        ;;
    esac
done
if [ "$(id -u)" != 0 ]; then
    echo "install.sh: must be run as root" >&2
    exit 1
fi
cd "$here"
shells=$destdir/etc/shells
shell=/usr/sbin/jk_chrootsh
# Directories, and /etc/shells, that did not exist before: relative to DESTDIR, one on each line.
made=$destdir/var/lib/jailkit/installed

# Removes a file, but not an edited one in /etc/jailkit.
take_away() {
    case $1 in
    # See below for directories.
    */) return 0 ;;
    etc/jailkit/*)
        rm -f -- "$destdir/$1.dist"
        if [ -e "$destdir/$1" ] && ! cmp -s "files/$1" "$destdir/$1"; then
            echo "install.sh: $destdir/$1 is kept, because it was edited" >&2
            return 0
        fi
        ;;
    esac
    rm -f -- "$destdir/$1"
}
if [ -n "$uninstall" ]; then
    if [ -z "$destdir" ]; then
        # Names may come from any name service: cat escapes control bytes in them.
        for program in jk_chrootsh jk_lsh; do
            accounts=$(getent passwd | awk -F: -v program="/usr/sbin/$program" '$7 == program { print $1 }' | LC_ALL=C cat -vT)
            if [ -z "$accounts" ]; then
                continue
            fi
            echo "install.sh: these accounts have $program as their shell, and cannot log in without it:" >&2
            printf '%s\n' "$accounts" | sed 's/^/install.sh:     /' >&2
            if [ "$program" = jk_chrootsh ]; then
                echo "install.sh: while jailkit is installed, 'jk_jailuser -m --unjail -s SHELL USER' moves an account out of its jail." >&2
            else
                echo "install.sh: 'usermod -s SHELL USER' changes the shell of an account." >&2
            fi
        done
    fi
    if [ -e "$shells" ]; then
        sed -i -e "\\,^$shell\$,d" "$shells"
    fi
    while read -r file linked; do
        rm -f -- "$destdir/$file"
    done < LINKS
    while read -r mode file; do
        take_away "$file"
    done < FILES
    if [ -e "$made" ]; then
        # The deepest first.
        all=$(LC_ALL=C sort -ru "$made")
        rm -f -- "$made"
        rm -rf -- "$destdir/var/lib/jailkit/plans"
        for name in jails locks moves empty; do
            rmdir -- "$destdir/var/lib/jailkit/$name" 2> /dev/null || true
        done
        printf '%s\n' "$all" | while read -r path; do
            if [ "$path" = etc/shells ]; then
                [ -s "$shells" ] || rm -f -- "$shells"
            else
                rmdir -- "$destdir/$path" 2> /dev/null || true
            fi
        done
    fi
    exit 0
fi

sha256sum --check --quiet SHA256SUMS
umask 022
fresh=
# Creates a directory, relative to DESTDIR, and those above it.
directory() {
    if [ "$1" != . ] && [ ! -d "$destdir/$1" ]; then
        directory "$(dirname -- "$1")"
        mkdir -- "$destdir/$1"
        fresh="$fresh$1
"
    fi
}
# Installs a file by rename, with its privilege, so that a login works at every moment.
place() {
    mode=$1
    file=$2
    target="$destdir/$file"
    case $file in
    */)
        directory "${file%/}"
        return 0
        ;;
    etc/jailkit/*)
        if [ -e "$target" ]; then
            cmp -s "files/$file" "$target" && return 0
            echo "install.sh: $target is kept; the new default is $target.dist" >&2
            target="$target.dist"
        fi
        ;;
    */jk_procmailwrapper)
        # A privileged program that nobody needs is not installed.
        [ -n "$procmail" ] || [ -e "$target" ] || [ -e "$destdir/usr/bin/procmail" ] || return 0
        ;;
    esac
    directory "$(dirname -- "$file")"
    cp -- "files/$file" "$target.new"
    chown 0:0 "$target.new"
    chmod "$mode" "$target.new"
    if [ "$mode" = 4755 ] && command -v setcap > /dev/null && setcap cap_sys_chroot+ep "$target.new" 2> /dev/null; then
        chmod 0755 "$target.new"
    fi
    mv -f -- "$target.new" "$target"
}
[ -z "$destdir" ] || mkdir -p -- "$destdir"
directory var/lib/jailkit
while read -r mode file; do
    place "$mode" "$file"
done < FILES
while read -r file linked; do
    directory "$(dirname -- "$file")"
    ln -f -- "$destdir/$linked" "$destdir/$file.new"
    mv -f -- "$destdir/$file.new" "$destdir/$file"
    rm -f -- "$destdir/$file.new"
done < LINKS
directory etc
[ -e "$shells" ] || fresh="${fresh}etc/shells
"
grep -qsx "$shell" "$shells" || echo "$shell" >> "$shells"
printf %s "$fresh" >> "$made"
# Below DESTDIR, the account is created when that system starts, from the same file.
[ -z "$destdir" ] || exit 0
relay_account() {
    getent passwd _jk-socketd > /dev/null
}
jailed_group() {
    getent group jailed > /dev/null
}
{ relay_account && jailed_group; } || systemd-sysusers jailkit.conf 2> /dev/null || true
relay_account || useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin _jk-socketd ||
    echo "jailkit: cannot create the account _jk-socketd, see jk_socketd(8)" >&2
jailed_group || groupadd --system jailed ||
    echo "jailkit: cannot create the group jailed, see jk_addjailuser(8)" >&2
