/** Runs a program, and resolves to its output. Throws an error with all output if it fails. */
export async function run(
  words: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const child = Bun.spawn(words, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", HOME: "/nonexistent", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`${words[0]} failed:\n${errors}${output}`);
  return output;
}

/** The path of a program. Throws an error that names its package if it is missing. */
export function require(program: string, debianPackage: string): string {
  const path = Bun.which(program);
  if (path === null) throw new Error(`${program} is missing: apt-get install ${debianPackage}`);
  return path;
}
