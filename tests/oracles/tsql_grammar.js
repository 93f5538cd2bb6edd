// Transact-SQL by a grammar (antlr4ts-sql): the lines that are GO, and how often each says that its batch is run. A line of JSON for each path on
// stdin: {"file", "go": [[line, count]...]} or {"file", "abstains"}. The tokens decide, since its parser knows too little of today's statements; the
// parser would also take GO behind SELECT 1 for a name.
const fs = require('fs');
const { antlr4tsSQL, SQLDialect, TSqlLexer } = require('antlr4ts-sql');

const sql = new antlr4tsSQL(SQLDialect.TSQL);
const lines = (text) => text.split('\n').length - 1;

for (const file of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const text = fs.readFileSync(file, 'utf8').replace(/^\ufeff/, '');
  // Its GO is a token together with the line end before it.
  const stream = sql.getTokens('\n' + text);
  let errors = 0;
  stream.tokenSource.removeErrorListeners();
  stream.tokenSource.addErrorListener({ syntaxError: () => (errors += 1) });
  stream.fill();
  const tokens = stream.getTokens();
  const go = tokens.map((token, at) => {
    if (token.type !== TSqlLexer.GO_BATCH) return null;
    const read = ('\n' + text).slice(token.startIndex, token.stopIndex + 1);
    const behind = tokens[at + 1];
    const count = !read.endsWith('\n') && behind && behind.type === TSqlLexer.DECIMAL ? Number(text.slice(behind.startIndex - 1, behind.stopIndex)) : 1;
    // The last of its lines that is not empty is the one with the word.
    const word = token.startIndex + read.search(/go/i);
    return [lines(text.slice(0, word - 1)), count];
  });
  console.log(JSON.stringify(errors > 0 ? { file, abstains: `${errors} characters that it does not know` } : { file, go: go.filter(Boolean) }));
}
