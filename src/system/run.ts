import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";

const DIRECTORIES = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"] as const;
const ENVIRONMENT = { PATH: DIRECTORIES.join(":"), LC_ALL: "C" };

/** The absolute path of a program in fixed directories of the system, never in the caller's PATH. */
export function findProgram(name: ByteString): ByteString | undefined {
  for (const directory of DIRECTORIES) {
    const path = `${directory}/${name}`;
    const stat = statIfPresent(AT_FDCWD, path, true);
    if (stat !== undefined && (stat.mode & S_IFMT) === S_IFREG && (stat.mode & 0o111) !== 0) return path;
  }
  return undefined;
}

/**
 * Runs a program to its end: by absolute path, with an argument array (without argv[0]) and an environment of
 * PATH, LC_ALL=C and `env`; no shell. Its standard input is empty, and it has a session of its own, without a terminal. The
 * arguments are UTF-8. It is killed after about `mostOutput` bytes of output (`cutOff`). The status is 128 if a signal ended
 * it.
 */
export function runProgram(
  path: ByteString,
  programArguments: readonly ByteString[],
  env: Readonly<Record<string, string>> = {},
  mostOutput?: number,
) {
  const asText = (text: ByteString) => {
    const decoded = Buffer.from(text, "latin1").toString("utf8");
    // Bun passes arguments as UTF-8, and would change others.
    if (Buffer.from(decoded, "utf8").toString("latin1") !== text) {
      throw new JailkitError("not-utf8", 1, `${display(path)}: an argument is not valid UTF-8`);
    }
    return decoded;
  };
  const words = [path, ...programArguments].map(asText);
  let result: Bun.SyncSubprocess<"pipe", "pipe">;
  try {
    result = Bun.spawnSync(words, {
      env: { ...ENVIRONMENT, ...env },
      cwd: "/",
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      killSignal: "SIGKILL",
      // Signals of the terminal come to this process alone.
      detached: true,
      ...(mostOutput === undefined ? {} : { maxBuffer: mostOutput }),
    });
  } catch (error) {
    throw new JailkitError("cannot-run", 1, `${display(path)}: cannot be started: ${describeError(error)}`);
  }
  return {
    status: result.exitCode ?? 128,
    stdout: Buffer.from(result.stdout).toString("latin1"),
    stderr: Buffer.from(result.stderr).toString("latin1"),
    cutOff: result.exitedDueToMaxBuffer === true,
  };
}
