import type { ByteString } from "../../ffi/bytes.ts";

/**
 * The argument vector of the shell: its full path (so it never takes itself for a login shell by a dash), then the
 * arguments of jk_chrootsh; with `injail_login_shell` nothing but --login.
 */
export function shellArguments(
  shell: ByteString,
  given: readonly ByteString[],
  loginShell: boolean,
): ByteString[] {
  return loginShell ? [shell, "--login"] : [shell, ...given.slice(1)];
}

/** Who logs in, for the variables that say so. */
export interface LoginVariables {
  home: ByteString;
  name: ByteString;
  shell: ByteString;
}

/**
 * The environment of the shell: the variables that the settings name, as the caller gave them, and over them HOME,
 * USER, USERNAME and SHELL. Of several entries of one name the first counts, as for getenv(3).
 */
export function loginEnvironment(
  given: readonly ByteString[],
  kept: readonly ByteString[],
  { home, name, shell }: LoginVariables,
): ByteString[] {
  const variables = new Map<ByteString, ByteString>();
  for (const entry of given) {
    const equals = entry.indexOf("=");
    const key = entry.slice(0, Math.max(equals, 0));
    if (key !== "" && kept.includes(key) && !variables.has(key)) variables.set(key, entry.slice(equals + 1));
  }
  for (const [key, value] of [
    ["HOME", home],
    ["USER", name],
    ["USERNAME", name],
    ["SHELL", shell],
  ] as const) {
    variables.set(key, value);
  }
  const entries: ByteString[] = [];
  for (const [key, value] of variables) entries.push(`${key}=${value}`);
  return entries;
}
