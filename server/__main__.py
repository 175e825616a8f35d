"""`python -m stoppress` is `stoppress`."""

from .cli.main import main

if __name__ == "__main__":
    main()
