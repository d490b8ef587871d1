import type { PackageName } from "./stage.ts";

/**
 * The file for /usr/share/lintian/overrides: what lintian(1) says of a package although it is meant to be so, each with
 * its reason. `entries` are the native entries by their paths; `named` tells that the package has a maintainer whom
 * mail reaches.
 */
export function lintianOverrides(name: PackageName, entries: readonly string[], named: boolean): string {
  const lines: string[] = [];
  const override = (reason: string, ...tags: string[]) => {
    for (const tag of tags) lines.push(`# ${reason}`, `${name}: ${tag}`);
  };
  if (!named)
    override(
      "Built without DEBEMAIL, by somebody for own machines: there is no address that would be right.",
      "bogus-mail-host Maintainer jailkit@localhost",
      "bogus-mail-host-in-debian-changelog jailkit@localhost *",
    );
  override(
    "The package comes from the authors of the program: no bug of Debian asks for it.",
    "initial-upload-closes-no-bugs *",
  );
  for (const path of entries) {
    override(
      "Any user may start it, and it needs CAP_SYS_CHROOT: postinst replaces the bit by the capability.",
      `elevated-privileges 4755 root/root [${path.slice(1)}]`,
    );
    override(
      "A few kilobytes without a C library, so that no library is loaded by a caller's wish; no shared library.",
      `shared-library-lacks-prerequisites [${path.slice(1)}]`,
    );
  }
  if (name !== "jailkit") return `${lines.join("\n")}\n`;
  override(
    "The program is a part of this file that strip(1) cuts off; the guard in it refuses to start then.",
    "unstripped-binary-or-object [usr/sbin/*]",
  );
  override(
    "Whoever may not read a file may not look into a process that it becomes: an entry hands it a capability.",
    "executable-is-not-world-readable 0711 [usr/sbin/*]",
    "non-standard-executable-perm 0711 != 0755 [usr/sbin/*]",
  );
  override(
    "A string in the runtime, for a command of its own that these programs do not have.",
    "missing-depends-on-sensible-utils sensible-editor [usr/sbin/*]",
  );
  override("A part of the runtime, which its authors build as one file.", "embedded-library *");
  override(
    "The runtime is linked so by its authors; the guard in it makes ld.so bind everything at start.",
    "hardening-no-relro [usr/sbin/*]",
    "hardening-no-pie [usr/sbin/*]",
  );
  return `${lines.join("\n")}\n`;
}
