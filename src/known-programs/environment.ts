import type { ByteString } from "../../ffi/bytes.ts";
import type { Program, ProgramEnvironment } from "./program.ts";

/** For every program, known or not: Python would load code from ~/.local/lib (site, usercustomize, *.pth). */
const EVERY_PROGRAM: ProgramEnvironment = { set: { PYTHONNOUSERSITE: "1" } };

/** PATH for known programs: directories that only root can write. */
const PROGRAM_PATH = "/usr/bin:/bin";

/**
 * The environment of a program: `variables` (from the session and the key `environment`), without those that the rows of
 * the table drop, and with those that they set. Variables of the key `environment` (`configured`) are not dropped, may set
 * PATH, and may add pairs of git-config(1) that override the table's; but a variable that a row sets stays.
 */
export function programEnvironment(
  programs: readonly Program[],
  variables: ReadonlyMap<ByteString, ByteString>,
  configured: readonly (readonly [name: ByteString, value: ByteString])[],
): Map<ByteString, ByteString> {
  const result = new Map(variables);
  const byAdministrator = new Map(configured);
  const put = (name: ByteString, value: ByteString | undefined) => {
    if (value === undefined) result.delete(name);
    else result.set(name, value);
  };
  if (programs.length > 0 && !byAdministrator.has("PATH")) put("PATH", PROGRAM_PATH);
  const rows: ProgramEnvironment[] = [EVERY_PROGRAM];
  for (const { environment = {} } of programs) rows.push(environment);
  for (const { set = {}, dropped, gitConfig = [] } of rows) {
    for (const name of variables.keys()) {
      if (dropped?.test(name) && !byAdministrator.has(name)) put(name, undefined);
    }
    for (const [name, value] of Object.entries(set)) put(name, value);
    if (gitConfig.length === 0) continue;
    const pairs = [...gitConfig, ...gitPairs(byAdministrator)];
    put("GIT_CONFIG_COUNT", String(pairs.length));
    for (const [at, [key, value]] of pairs.entries()) {
      put(`GIT_CONFIG_KEY_${at}`, key);
      put(`GIT_CONFIG_VALUE_${at}`, value);
    }
  }
  return result;
}

/** The complete pairs in GIT_CONFIG_COUNT, GIT_CONFIG_KEY_n and GIT_CONFIG_VALUE_n. */
export function gitPairs(variables: ReadonlyMap<ByteString, ByteString>): [string, string][] {
  const pairs: [string, string][] = [];
  const count = variables.get("GIT_CONFIG_COUNT") ?? "";
  if (!/^[0-9]{1,3}$/.test(count)) return pairs;
  for (let at = 0; at < Number(count); at++) {
    const key = variables.get(`GIT_CONFIG_KEY_${at}`);
    const value = variables.get(`GIT_CONFIG_VALUE_${at}`);
    if (key !== undefined && value !== undefined) pairs.push([key, value]);
  }
  return pairs;
}
