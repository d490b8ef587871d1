/** What `jailkit apply` keeps of the declarations is what they say. */
import { expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { mergeFiles } from "../../src/config/load.ts";
import { scanIni } from "../../src/config/scan.ts";
import { parsedFrom, parsedText } from "../../src/declaration/parsed.ts";
import { declarationIn } from "../../src/declaration/read.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEGGvDPaGZLNF4BLMyIR0NNBVcL9zNTjTe1dUcTcfFPO";
const TEXT = `[jail /srv/caf\xc3\xa9\xff "a\\b"]
sections = basicshell,
  sftp
live = /usr
proc = 1

[jail /srv/plain]

[user anna]
jail = /srv/plain
shell = /bin/bash
uid = 4242
groups = a, b
comment = caf\xc3\xa9 "quoted" \\ </script>\u007e
authorized_keys = ${KEY} anna
  from="10.0.0.0/8" ${KEY.replace("IEGG", "IEGH")}

[user luser]
jail = /srv/plain
directory = yes

[user backup]
jail = /srv/plain
allow = rsync download
read = /home/anna,
  /srv/d
`;

test("it survives, with all bytes of names, and what is not declared", () => {
  const file = "/etc/jailkit/jails.d/\xff.ini";
  const ini = mergeFiles([scanIni(toBytes(TEXT), file, "plain")], file, "plain");
  const { declaration, problems } = declarationIn(ini);
  expect(problems.filter(({ message }) => !message.includes("backup"))).toEqual([]);
  const { files, jails, users } = declaration;
  expect([jails.length, users.length]).toEqual([2, 3]);
  const parsed = { files, jails, users };
  expect(parsedFrom(toBytes(parsedText(parsed)))).toEqual(parsed);
});
