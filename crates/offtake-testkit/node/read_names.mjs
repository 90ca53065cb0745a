// The file name of each Content-Disposition header of a JSON list, as npm's content-disposition reads it.
import { readFileSync } from "node:fs";
import * as disposition from "content-disposition";

const parse = disposition.parse ?? disposition.default.parse;
const headers = JSON.parse(readFileSync(process.argv[2], "utf8"));
process.stdout.write(JSON.stringify(headers.map((header) => parse(header).parameters.filename)));
