/** What runs on the machine when a package comes and goes: deb-postinst(5) and its kin, and the scriptlets of an rpm. */
import { MAKE_ACCOUNT, RELAY_ACCOUNT } from "../../src/log-socket/account.ts";
import { JAILED_GROUP, MAKE_JAILED_GROUP } from "../../src/system/account-tools.ts";
import { LINKS } from "../install.ts";
import type { PackageName } from "./stage.ts";

/** Which systemd units are in a package. */
export interface Units {
  services: readonly string[];
  all: readonly string[];
}

/**
 * Makes the account of jk_socketd's relay and the group of jailed accounts; a machine that can make none is told so.
 * They stay when the package goes, as accounts of the system do: nobody else is to get their numbers.
 */
export const ACCOUNT = `relay_account() {
    getent passwd ${RELAY_ACCOUNT} > /dev/null
}
jailed_group() {
    getent group ${JAILED_GROUP} > /dev/null
}
{ relay_account && jailed_group; } || systemd-sysusers jailkit.conf 2> /dev/null || true
relay_account || ${MAKE_ACCOUNT.join(" ")} ||
    echo "jailkit: the account ${RELAY_ACCOUNT} could not be made, see jk_socketd(8)" >&2
jailed_group || ${MAKE_JAILED_GROUP.join(" ")} ||
    echo "jailkit: the group ${JAILED_GROUP} could not be made, see jk_addjailuser(8)" >&2
`;

const indented = (script: string) => `${script.replaceAll(/^/gm, "    ").trimEnd()}\n`;

const UPDATE = `jk_update --all || echo "jailkit: some jails could not be updated, see jk_update(8)" >&2`;
// What keeps users out, such as a file that others can write, is to be known before the first of them tries.
const CHECK = `jailkit config check >&2 || echo "jailkit: see jailkit-config(8)" >&2`;
const updates = LINKS.includes("jk_update");

// An entry is shipped setuid root, so that there is no moment of an upgrade in which a login fails. A capability is
// enough, and less: where the file system takes it, it takes the place of the bit. What the administrator said with
// dpkg-statoverride stays.
const privilegeOf = (paths: readonly string[]) => `privilege() {
    if dpkg-statoverride --list "$1" > /dev/null; then
        return 0
    fi
    if command -v setcap > /dev/null && setcap -q cap_sys_chroot+ep "$1" 2> /dev/null; then
        chmod u-s "$1"
    fi
}

if [ "$1" = configure ]; then
${paths.map((path) => `    privilege ${path}\n`).join("")}fi
`;

// Nothing is enabled and nothing started by the package: which jails get a log socket, and whether they follow the
// machine by themselves, is for the administrator to say. What runs is told that there is a new program.
const unitsConfigured = ({ services, all }: Units) =>
  all.length === 0
    ? ""
    : `    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload > /dev/null || true
${services.map((unit) => `        deb-systemd-invoke restart ${unit} > /dev/null || true\n`).join("")}    fi
    if command -v deb-systemd-helper > /dev/null; then
        deb-systemd-helper update-state ${all.join(" ")} > /dev/null || true
    fi
`;

/** The maintainer script preinst of the package jailkit. */
export const PREINST = `#!/bin/sh
set -e

if [ "$1" = upgrade ] && dpkg --compare-versions "$2" lt 3; then
    # Up to 2.23 root read these; now whoever logs in does.
    for place in /etc/jailkit /etc/jailkit/jk_chrootsh.ini /etc/jailkit/jk_uchroot.ini; do
        if [ -n "$(find "$place" -maxdepth 0 ! -perm -o=r 2> /dev/null)" ]; then
            chmod o+rX "$place"
            echo "jailkit: $place was made readable for everyone, or nobody could log in" >&2
        fi
    done
fi

exit 0
`;

/** The maintainer script postinst. `entries` are the paths of the native entries in the package. */
export function postinst(name: PackageName, entries: readonly string[], units: Units): string {
  const update = `    # Known jails get the new files, and the jk_lsh of 2.23 leaves those that accounts live in: logins have it built in
    # by now. A jail that fails must not stop the rest.
    ${UPDATE}
`;
  const more =
    name === "jailkit"
      ? `
if [ "$1" = configure ]; then
    add-shell /usr/sbin/jk_chrootsh
${indented(ACCOUNT)}    if [ -n "$2" ]; then
        ${CHECK}
    fi
${updates ? update : ""}${unitsConfigured(units)}fi
`
      : "";
  return `#!/bin/sh\nset -e\n\n${privilegeOf(entries)}${more}\nexit 0\n`;
}

/** The maintainer script prerm of the package jailkit. */
export function prerm(units: Units): string {
  const stop = `
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop ${units.all.join(" ")} > /dev/null || true
fi
`;
  return `#!/bin/sh
set -e

if [ "$1" = upgrade ] && dpkg --compare-versions "$2" lt 3; then
    echo "jailkit: version 3 has taken jk_lsh out of the jails, and version $2 needs it there:" >&2
    echo "jailkit: after the downgrade, 'jk_init -j JAIL jk_lsh' puts it into each of them." >&2
fi
${units.all.length === 0 ? "" : stop}
exit 0
`;
}

/** The maintainer script postrm of the package jailkit. */
export function postrm(units: Units): string {
  const forget = `    if command -v deb-systemd-helper > /dev/null; then
        deb-systemd-helper purge ${units.all.join(" ")} > /dev/null || true
    fi
`;
  const reload = `if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload > /dev/null || true
fi
`;
  return `#!/bin/sh
set -e

if [ "$1" = remove ] && command -v remove-shell > /dev/null; then
    remove-shell /usr/sbin/jk_chrootsh
fi
if [ "$1" = purge ]; then
    # The records of jails, and the settings that jailkit made for them; not the jails.
    rm -rf /var/lib/jailkit /etc/jailkit/*.d
    if [ -d /etc/jailkit ]; then
        rmdir --ignore-fail-on-non-empty /etc/jailkit
    fi
${units.all.length === 0 ? "" : forget}fi
${units.all.length === 0 ? "" : reload}
exit 0
`;
}

/** The scriptlets of the rpm jailkit: sections of a spec file. */
export function rpmScripts(units: Units): string {
  const restart = units.services.map((unit) => `    systemctl try-restart ${unit} || :\n`).join("");
  const reload = `if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
${restart}fi
`;
  const stop = `%preun
if [ "$1" = 0 ] && [ -d /run/systemd/system ]; then
    systemctl --no-reload disable --now ${units.all.join(" ")} || :
fi

`;
  return `%post
${ACCOUNT}grep -qsx /usr/sbin/jk_chrootsh /etc/shells || echo /usr/sbin/jk_chrootsh >> /etc/shells
${CHECK}
${updates ? `${UPDATE}\n` : ""}${units.all.length === 0 ? "" : reload}
${units.all.length === 0 ? "" : stop}%postun
if [ "$1" = 0 ] && [ -f /etc/shells ]; then
    sed -i -e '\\,^/usr/sbin/jk_chrootsh$,d' /etc/shells
fi
`;
}
