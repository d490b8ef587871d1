import type { ByteString } from "../../../ffi/bytes.ts";
import { hostNames, hostText } from "../host-files.ts";
import { CONFIGURATION, listens, matchesPattern, type SshdSettings } from "./settings.ts";

const DEEPEST = 16;

/** The files of sshd's configuration: the main one, and those that Include names. Throws SystemError. */
function configTexts(file: ByteString, depth = 0): ByteString[] {
  const text = depth > DEEPEST ? undefined : hostText(file);
  if (text === undefined) return [];
  const included = [...text.matchAll(/^\s*include\s+(.+)$/gim)].flatMap((match) =>
    (match[1] ?? "").trim().split(/\s+/),
  );
  const files = included.flatMap((pattern) => {
    const path = pattern.startsWith("/") ? pattern : `/etc/ssh/${pattern}`;
    const directory = path.slice(0, path.lastIndexOf("/"));
    const name = path.slice(path.lastIndexOf("/") + 1);
    return hostNames(directory)
      .filter((one) => matchesPattern(one, name))
      .map((one) => `${directory}/${one}`);
  });
  return [text, ...files.flatMap((one) => configTexts(one, depth + 1))];
}

/**
 * The Match lines of sshd_config(5) that go by more than the user and the group: by where a login comes from (`address`),
 * or by what a question cannot say: the name of the host, and the address and port that are called where sshd listens
 * on more than one. Throws SystemError.
 */
export function openMatches(settings: SshdSettings): { line: ByteString; address: boolean }[] {
  const { addresses, ports } = listens(settings);
  return configTexts(CONFIGURATION).flatMap((text) =>
    [...text.matchAll(/^\s*match\s+(.+)$/gim)].flatMap((match) => {
      const line = (match[1] ?? "").trim();
      const other =
        /\b(?:host|rdomain|version)\b/i.test(line) ||
        (addresses.length !== 1 && /\blocaladdress\b/i.test(line)) ||
        (ports.length !== 1 && /\blocalport\b/i.test(line));
      if (!other && !/\baddress\b/i.test(line)) return [];
      return [{ line, address: !other }];
    }),
  );
}
