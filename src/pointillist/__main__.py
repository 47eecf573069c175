"""`python -m pointillist`, which is also how Lightning starts the processes of further devices."""

from pointillist.cli import main

if __name__ == "__main__":
    main()
