'use strict';

const http = require('node:http');

/** What is found where; each page is made anew for every request. */
const pages = {
  '/': () => `Hello from ${process.env.SHIPIT_ENVIRONMENT ?? 'nowhere'}.\n`,
  '/health': () => `ok ${process.env.SHIPIT_REVISION ?? 'unknown'}\n`,
};

/** A small web application: `node:http`, and nothing from elsewhere. */
module.exports = () =>
  http.createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const page = Object.hasOwn(pages, pathname) ? pages[pathname] : undefined;
    response.writeHead(page ? 200 : 404, { 'Content-Type': 'text/plain; charset=utf-8' });
    response.end(page ? page() : 'There is nothing here.\n');
  });
