/* Built in several ways by the tests of discovery: with dynamic symbols, with a symbol table only,
 * stripped. */
int SSL_write(void* ssl, const void* bytes, int size);
int SSL_write(void* ssl, const void* bytes, int size) {
  (void)bytes;
  return ssl != 0 ? size : -1;
}

int SSL_read(void* ssl, void* bytes, int size);
int SSL_read(void* ssl, void* bytes, int size) {
  (void)bytes;
  return ssl != 0 ? size : -2;
}

/* Not a function: never a place for a probe. */
int SSL_table[4] = {1, 2, 3, 4};

int main(void) { return SSL_write(0, 0, 0) + SSL_read(0, 0, 0) + 3; }
