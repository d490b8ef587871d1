const BEGIN_REQUEST = 1;
const PARAMS = 4;
const STDIN = 5;
const END_REQUEST = 3;

const record = (type: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([1, type, 0, 1, content.length >> 8, content.length & 0xff, 0, 0]), content]);

const pair = ([name, value]: [string, string]): Buffer =>
  Buffer.concat([Buffer.from([name.length, value.length]), Buffer.from(name + value)]);

/** Asks a FastCGI server (one request, as the responder) at a Unix socket for a script; returns all that it sends. */
export async function askFastCgi(socket: string, script: string): Promise<string> {
  const params = { SCRIPT_FILENAME: script, REQUEST_METHOD: "GET", SCRIPT_NAME: script, QUERY_STRING: "" };
  const none = Buffer.alloc(0);
  const request = Buffer.concat([
    record(BEGIN_REQUEST, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])),
    record(PARAMS, Buffer.concat(Object.entries(params).map(pair))),
    record(PARAMS, none),
    record(STDIN, none),
  ]);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = none;
  const connection = await Bun.connect({
    unix: socket,
    socket: {
      data(_, chunk) {
        answer = Buffer.concat([answer, chunk]);
        if (answer.includes(Buffer.from([1, END_REQUEST]))) resolve(answer.toString("latin1"));
      },
      close: () => resolve(answer.toString("latin1")),
      error: (_, error) => reject(error),
    },
  });
  connection.write(request);
  const text = await promise;
  connection.end();
  return text;
}
