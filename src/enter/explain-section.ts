import type { ByteString } from "../../ffi/bytes.ts";
import type { FileView } from "../limited-shell/file-view.ts";
import { programWarnings } from "../programs/warnings.ts";

// What an account of this kind is most often for.
const USUAL = [
  "/usr/lib/openssh/sftp-server",
  "/usr/libexec/openssh/sftp-server",
  "/usr/lib/ssh/sftp-server",
  "/usr/bin/scp",
  "/usr/bin/rsync",
];

/**
 * What to add to a jk_lsh.ini that has no section for a user: lines that allow the program of `command`, if that is
 * there and starts no others, or else what is there of the programs that such accounts are for. Undefined where
 * nothing is.
 */
export function sectionRemedy(
  user: ByteString,
  command: ByteString | undefined,
  configFile: ByteString,
  files: FileView,
): ByteString | undefined {
  const [typed = ""] = (command ?? "").split(/\s+/);
  const asked = (typed.startsWith("/") ? [typed] : [`/usr/bin/${typed}`, `/bin/${typed}`]).find(
    (path) => /^(?:\/[\w.+-]+)+$/.test(path) && files.isRegularFile(path),
  );
  const harmless = asked !== undefined && programWarnings(asked, files, false, true).length === 0;
  const programs = harmless ? [asked] : USUAL.filter((path) => files.isRegularFile(path));
  if (programs.length === 0) return undefined;
  const lines = [`[${user}]`, "paths = /usr/bin", `executables = ${programs.join(", ")}`];
  return `add these lines to ${configFile}:\n${lines.join("\n")}`;
}
