// PostgreSQL's own grammar (libpg_query): where the statements of each file end, in bytes. A line of JSON for each path on stdin:
// {"file", "ends"} or {"file", "abstains"} when it does not parse.
const fs = require('fs');
const { loadModule, parseSync } = require('libpg-query');

loadModule().then(() => {
  for (const file of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
    const bytes = fs.readFileSync(file);
    try {
      const statements = parseSync(bytes.toString('utf8')).stmts || [];
      const ends = statements.map((one) => (one.stmt_len ? (one.stmt_location || 0) + one.stmt_len : bytes.length));
      console.log(JSON.stringify({ file, ends }));
    } catch (error) {
      console.log(JSON.stringify({ file, abstains: String(error.message).slice(0, 200) }));
    }
  }
});
