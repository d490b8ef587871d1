import * as fs from "node:fs";
import { join } from "node:path";
import { VERSION } from "../../src/cli/version.ts";
import { require, run } from "./run.ts";
import { packageFiles, type StageOptions, stage } from "./stage.ts";

const SCRIPT = `#!/bin/sh
# Installs jailkit from this folder: sh install.sh [DESTDIR]
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
destdir=\${1:-}
if [ "$(id -u)" != 0 ]; then
    echo "install.sh: must be run as root" >&2
    exit 1
fi
cd "$here"
sha256sum --check --quiet SHA256SUMS
# Each file appears by rename, with its privilege, so that a login works at every moment.
place() {
    mode=$1
    file=$2
    target="$destdir/$file"
    mkdir -p -- "$(dirname -- "$target")"
    case $file in
    etc/jailkit/*)
        if [ -e "$target" ]; then
            cmp -s "files/$file" "$target" && return 0
            echo "install.sh: $target is kept; the new default is $target.dist" >&2
            target="$target.dist"
        fi
        ;;
    esac
    cp -- "files/$file" "$target.new"
    chown 0:0 "$target.new"
    chmod "$mode" "$target.new"
    if [ "$mode" = 4755 ] && command -v setcap > /dev/null && setcap cap_sys_chroot+ep "$target.new" 2> /dev/null; then
        chmod 0755 "$target.new"
    fi
    mv -f -- "$target.new" "$target"
}
while read -r mode file; do
    place "$mode" "$file"
done < FILES
while read -r file linked; do
    ln -f -- "$destdir/$linked" "$destdir/$file"
done < LINKS
mkdir -p "$destdir/etc"
grep -qx /usr/sbin/jk_chrootsh "$destdir/etc/shells" 2> /dev/null || echo /usr/sbin/jk_chrootsh >> "$destdir/etc/shells"
`;

/**
 * Makes a .tar.zst of plain files in `output`: files/ as they are installed, install.sh, SHA256SUMS. The same commit
 * gives the same bytes. Returns its path.
 */
export function buildPlain(
  machine: "x86_64" | "aarch64",
  options: StageOptions & { output: string; fast: boolean },
) {
  require("zstd", "zstd");
  const { output, epoch } = options;
  const name = `jailkit-${VERSION}-linux-${machine}`;
  const folder = join(output, name);
  fs.rmSync(folder, { recursive: true, force: true });
  try {
    const all = [...packageFiles("jailkit", options), ...packageFiles("jailkit-procmail", options)];
    const files = all.filter(({ content }) => content instanceof Uint8Array || !("linkTo" in content));
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
    const links = all.flatMap(({ path, content }) =>
      !(content instanceof Uint8Array) && "linkTo" in content
        ? [`${path.slice(1)} ${content.linkTo.slice(1)}\n`]
        : [],
    );
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
