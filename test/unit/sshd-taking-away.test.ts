/** Groups by which sshd certainly gives an account less, and nothing more. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { serverLines } from "../../src/system/sshd/match.ts";
import { joinsThatTakeAway } from "../../src/system/sshd/taking-away.ts";
import { temporaryRoot } from "./temporary-root.ts";

const SOME = ["jailed", "team"];

/** What anna, who is in users and staff, may join, by one or several configurations. */
function joins(texts: readonly string[], options: readonly string[] = []): string[] {
  using root = temporaryRoot();
  root.put({ ...Object.fromEntries(texts.map((text, at) => [`config${at}`, text])) });
  const servers = texts.map((_text, at) => serverLines({ file: `${root.path}/config${at}`, options }));
  return joinsThatTakeAway(servers, { name: "anna", groups: ["users", "staff"] }, SOME);
}

const LEAST = [
  "AllowAgentForwarding no",
  "AllowStreamLocalForwarding no",
  "AllowTcpForwarding no",
  "DisableForwarding yes",
  "GatewayPorts no",
  "GSSAPIAuthentication no",
  "HostbasedAuthentication no",
  "KbdInteractiveAuthentication no",
  "KerberosAuthentication no",
  "MaxSessions 0",
  "PasswordAuthentication no",
  "PermitListen none",
  "PermitOpen none",
  "PermitTTY no",
  "PermitTunnel no",
  "PermitUserRC no",
  "PubkeyAuthentication no",
  "RefuseConnection yes",
  "X11Forwarding no",
];

test("jailkit-apply(8) lists the settings that only take away", () => {
  const page = readFileSync(`${import.meta.dir}/../../docs/man/jailkit-apply.8.in`, "latin1");
  expect(page).toContain(`indent\n${LEAST.join("\n")}\n.Ed`);
});

test.each([
  ...LEAST,
  "allowtcpforwarding=no",
  '\t"AllowTcpForwarding" = "No" # for them',
  "X11Forwarding no\n\n# AllowTcpForwarding yes\nAllowTcpForwarding no\r",
])("a block that only takes away: %j", (line) => {
  expect(joins([`Match Group jailed\n${line}\n`])).toEqual(["jailed"]);
});

test.each([
  "AllowTcpForwarding yes",
  "AllowTcpForwarding local",
  "AllowTcpForwarding no yes",
  "AllowTcpForwarding 'yes'",
  "AllowTcpForwarding",
  "DisableForwarding no",
  "MaxSessions 1",
  "PermitOpen none web:80",
  "PermitOpen web:80",
  "PermitListen 8080",
  "ForceCommand none",
  "ForceCommand internal-sftp",
  "ForceCommand /usr/bin/true",
  "ChrootDirectory none",
  "ChrootDirectory /srv/other",
  "PasswordAuthentication yes",
  "AuthorizedKeysFile /etc/keys",
  "AcceptEnv *",
  "DenyUsers other",
  "DenyGroups other",
  "AllowGroups jailed",
  "AllowTcpForwarding no\nX11Forwarding yes",
  "X11Forwarding yes\nAllowTcpForwarding no",
  "Include /none/at/all",
  "Match Group j*\nX11Forwarding yes",
  "Match Group staff Group jailed\nX11Forwarding yes",
  'Match User an* Group "x,jailed"\nX11Forwarding yes',
  "Match Address 10.0.0.0/8 Group jailed\nX11Forwarding yes",
  "Match Group *,!jailed\nX11Forwarding no",
  "Match Group !staff,jailed\nX11Forwarding no",
  // Read in other ways by some sshd, or by this module.
  "Match Group 'jailed'\nX11Forwarding yes",
  "Match Group = jailed\nX11Forwarding yes",
  "Match Group =jailed\nX11Forwarding yes",
  "Match Group= jailed\nX11Forwarding yes",
  "Match !Group x\nX11Forwarding yes",
  'Ma"tch" Group jailed\nX11Forwarding yes',
  "Match all\nInclude '/etc/x'",
  "Match all\nInclude /etc/[x]",
])("one of which that is not certain: %j", (lines) => {
  expect(joins([`Match Group jailed\nPermitTTY no\n${lines}\n`])).toEqual([]);
});

test.each<[string, string[], string]>([
  ["DenyGroups", ["team"], "DenyGroups other t??m\n"],
  ["DenyGroups in a block for the user", ["team"], "Match User anna\nDenyGroups team\n"],
  ["DenyGroups in a block of the group", ["team"], "Match Group team\nDenyGroups x team\n"],
  ["DenyGroups in a block for another user", [], "Match User x\nDenyGroups team\n"],
  ["AllowGroups, which lets members in", [], "AllowGroups jailed\nMatch Group jailed\nPermitTTY no\n"],
  ["AllowGroups of others", ["jailed"], "AllowGroups users\nMatch Group jailed\nPermitTTY no\n"],
  ["a pattern", ["jailed"], 'match "group" "jai*"\nPermitTTY no\n'],
  ["a block without settings", [], "Match Group jailed\n"],
  ["a block for another user", [], "Match User x Group jailed\nPermitTTY no\n"],
  [
    "a block for another user that gives",
    ["jailed"],
    "Match Group jailed\nPermitTTY no\nMatch User x Group jailed\nPermitTTY yes\n",
  ],
  ["names that do not exist", [], "Match invalid-user Group jailed\nPermitTTY no\n"],
  ["the user's other group", [], "Match Group staff,jailed\nPermitTTY no\n"],
  ["only one of two in the same block", ["team"], "Match Group jailed,team\nPermitTTY no\n"],
  [
    "two, of which one gives",
    ["jailed"],
    "Match Group jailed,team\nPermitTTY no\nMatch Group team\nX11Forwarding yes\n",
  ],
  ["two that give together", [], "Match Group jailed Group team\nPermitTTY yes\nDenyGroups jailed team\n"],
  ["what follows another block", ["jailed"], "Match Group jailed\nPermitTTY no\nMatch all\nPermitTTY yes\n"],
])("groups to join, by %s", (_what, found, text) => {
  expect(joins([text])).toEqual(found);
});

test("what one server takes away, another one must not give", () => {
  const [none, no, yes] = ["", "Match Group jailed\nPermitTTY no\n", "Match Group jailed\nPermitTTY yes\n"];
  expect(joins([none, no])).toEqual(["jailed"]);
  expect(joins([yes, no])).toEqual([]);
  expect(joins([no, yes])).toEqual([]);
});

test("options of a server count", () => {
  expect(joins([""], ["-o", "DenyGroups=jailed"])).toEqual(["jailed"]);
  expect(joins(["Match Group jailed\nPermitTTY no\n"], ["-o", "AllowGroups jailed"])).toEqual([]);
});

test("a block of an included file ends with it, and is in the block that includes it", () => {
  using root = temporaryRoot();
  const [file, more] = [`${root.path}/config`, `${root.path}/more`];
  const joinsOf = (config: string, included: string) => {
    root.put({ config, more: included });
    const lines = serverLines({ file, options: [] });
    return joinsThatTakeAway([lines], { name: "anna", groups: ["users"] }, SOME);
  };
  const limit = "Match Group jailed\nPermitTTY no\n";
  expect(joinsOf(`Include ${more}\nX11Forwarding yes\n`, limit)).toEqual(["jailed"]);
  expect(joinsOf(`Include ${more} /none/at/all\n`, limit)).toEqual(["jailed"]);
  expect(joinsOf(`${limit}Include ${more}\n`, "X11Forwarding yes\n")).toEqual([]);
  expect(joinsOf(`${limit}Include ${more}\n`, "Match User x\nX11Forwarding yes\n")).toEqual(["jailed"]);
  expect(joinsOf(`${limit}Include ${more}\n`, "Match Address 10.1.1.1\nX11Forwarding yes\n")).toEqual([]);
  expect(joinsOf(`${limit}Include ${more}\nX11Forwarding yes\n`, "Match User x\n")).toEqual([]);
});

test("the example of sshd_config limits the group jailed", () => {
  const text = readFileSync(`${import.meta.dir}/../../config/sshd-jailkit.conf.example`, "latin1");
  expect(joins([text])).toEqual(["jailed"]);
});
