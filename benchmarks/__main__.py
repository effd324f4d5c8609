"""`make bench`: every benchmark, one after another."""

from benchmarks import embedded, startup

if __name__ == "__main__":
    startup.main()
    embedded.main()
