/** Runs a program of the build: its arguments as a list, its failure with all that it said. Returns its output. */
export function run(words: string[], options: { cwd?: string; env?: Record<string, string> } = {}): string {
  const result = Bun.spawnSync(words, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", HOME: "/nonexistent", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const output = result.stdout.toString();
  if (!result.success) throw new Error(`${words[0]} failed:\n${result.stderr}${output}`);
  return output;
}

/** The path of a program, or an error that says which package has it. */
export function require(program: string, debianPackage: string): string {
  const path = Bun.which(program);
  if (path === null) throw new Error(`${program} is missing: apt-get install ${debianPackage}`);
  return path;
}
