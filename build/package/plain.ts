import * as fs from "node:fs";
import { join } from "node:path";
import { VERSION } from "../../src/cli/version.ts";
import { require, run } from "./run.ts";
import { ACCOUNT } from "./scripts.ts";
import { linkTarget, type PackageOptions, packageFiles, stage } from "./stage.ts";

const SCRIPT = `#!/bin/sh
# Installs jailkit from this folder, or takes it away again:
# sh install.sh [--with-procmail] [--uninstall] [DESTDIR]
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
destdir=
uninstall=
procmail=
for word in "$@"; do
    case $word in
    --uninstall) uninstall=1 ;;
    --with-procmail) procmail=1 ;;
    /*) destdir=\${word%/} ;;
    *)
        echo "install.sh: $word: not an option, nor an absolute path" >&2
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

# Files in /etc/jailkit that were edited stay.
take_away() {
    case $1 in
    etc/jailkit/*)
        rm -f -- "$destdir/$1.dist"
        if [ -e "$destdir/$1" ] && ! cmp -s "files/$1" "$destdir/$1"; then
            echo "install.sh: $destdir/$1 is kept, since it was edited" >&2
            return 0
        fi
        ;;
    esac
    rm -f -- "$destdir/$1"
}
if [ -n "$uninstall" ]; then
    if [ -e "$shells" ]; then
        sed -i -e "\\\\,^$shell\\$,d" "$shells"
    fi
    while read -r file linked; do
        rm -f -- "$destdir/$file"
    done < LINKS
    while read -r mode file; do
        take_away "$file"
    done < FILES
    for folder in etc/jailkit usr/share/doc/jailkit/examples usr/share/doc/jailkit usr/share/doc/jailkit-procmail; do
        rmdir -- "$destdir/$folder" 2> /dev/null || true
    done
    exit 0
fi

sha256sum --check --quiet SHA256SUMS
# Each file appears by rename, with its privilege, so that a login works at every moment.
place() {
    mode=$1
    file=$2
    target="$destdir/$file"
    case $file in
    etc/jailkit/*)
        if [ -e "$target" ]; then
            cmp -s "files/$file" "$target" && return 0
            echo "install.sh: $target is kept; the new default is $target.dist" >&2
            target="$target.dist"
        fi
        ;;
    */jk_procmailwrapper)
        # A program with a privilege that nobody has a use for is not installed.
        [ -n "$procmail" ] || [ -e "$target" ] || [ -e "$destdir/usr/bin/procmail" ] || return 0
        ;;
    esac
    mkdir -p -- "$(dirname -- "$target")"
    cp -- "files/$file" "$target.new"
    chown 0:0 "$target.new"
    chmod "$mode" "$target.new"
    if [ "$mode" = 4755 ] && command -v setcap > /dev/null && setcap cap_sys_chroot+ep "$target.new" 2> /dev/null; then
        chmod 0755 "$target.new"
    fi
    mv -f -- "$target.new" "$target"
}
umask 022
while read -r mode file; do
    place "$mode" "$file"
done < FILES
while read -r file linked; do
    ln -f -- "$destdir/$linked" "$destdir/$file.new"
    mv -f -- "$destdir/$file.new" "$destdir/$file"
    rm -f -- "$destdir/$file.new"
done < LINKS
mkdir -p -- "$destdir/etc"
grep -qsx "$shell" "$shells" || echo "$shell" >> "$shells"
# Below DESTDIR the account is made when that is started, from the same file.
[ -z "$destdir" ] || exit 0
${ACCOUNT}`;

/**
 * Makes a .tar.zst of plain files in `output`: files/ as they are installed, install.sh, SHA256SUMS. The same commit
 * gives the same bytes. Returns its path.
 */
export function buildPlain(machine: "x86_64" | "aarch64", options: PackageOptions) {
  require("zstd", "zstd");
  const { output, epoch } = options;
  const name = `jailkit-${VERSION}-linux-${machine}`;
  const folder = join(output, name);
  fs.rmSync(folder, { recursive: true, force: true });
  try {
    const all = [...packageFiles("jailkit", options), ...packageFiles("jailkit-procmail", options)];
    const files = all.filter((file) => linkTarget(file) === undefined);
    // Without setuid bits in the archive: install.sh gives them.
    stage(
      files.map((file) => ({ ...file, mode: file.mode & 0o777 })),
      join(folder, "files"),
      epoch,
    );
    const put = (file: string, text: string, mode = 0o644) => {
      fs.writeFileSync(join(folder, file), text);
      fs.chmodSync(join(folder, file), mode);
      fs.utimesSync(join(folder, file), epoch, epoch);
    };
    put("install.sh", SCRIPT, 0o755);
    put(
      "FILES",
      files.map(({ path, mode }) => `${mode.toString(8).padStart(4, "0")} ${path.slice(1)}\n`).join(""),
    );
    const links = all.flatMap((file) => {
      const target = linkTarget(file);
      return target === undefined ? [] : [`${file.path.slice(1)} ${target.slice(1)}\n`];
    });
    put("LINKS", links.join(""));
    const listed = ["install.sh", "FILES", "LINKS", ...files.map(({ path }) => `files${path}`)];
    const sums = listed.map((file) => {
      const digest = new Bun.CryptoHasher("sha256").update(fs.readFileSync(join(folder, file))).digest("hex");
      return `${digest}  ${file}\n`;
    });
    put("SHA256SUMS", sums.join(""));
    const tar = join(output, `${name}.tar`);
    const fixed = [
      "--sort=name",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      `--mtime=@${epoch}`,
      "--format=gnu",
    ];
    run(["tar", "-C", output, ...fixed, "-cf", tar, name]);
    // One thread: the output of several depends on how the work was split.
    run(["zstd", "-q", "-f", "--rm", "--single-thread", options.fast ? "-1" : "-19", tar]);
    return `${tar}.zst`;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
