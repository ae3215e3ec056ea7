'use strict';

const server = require('./app.js')();

// Only this machine: a web server such as nginx stands in front.
server.listen(Number(process.env.PORT), '127.0.0.1');

// Requests under way are finished first.
process.on('SIGTERM', () => {
  server.close();
  server.closeIdleConnections();
});
