import unittest
from unittest import mock
from wsgiref.util import setup_testing_defaults

from app import application


def get(path):
    environ = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    answer = {}
    body = application(environ, lambda status, headers: answer.update(status=status))
    return answer["status"], b"".join(body).decode()


class ApplicationTest(unittest.TestCase):
    def test_the_first_page_greets(self):
        with mock.patch.dict("os.environ", SHIPIT_ENVIRONMENT="staging"):
            self.assertEqual(get("/"), ("200 OK", "Hello from staging.\n"))

    def test_health_names_the_revision(self):
        with mock.patch.dict("os.environ", SHIPIT_REVISION="3f2a91c"):
            self.assertEqual(get("/health"), ("200 OK", "ok 3f2a91c\n"))

    def test_other_paths_are_not_found(self):
        self.assertEqual(get("/nothing")[0], "404 Not Found")
