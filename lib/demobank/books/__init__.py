"""The books: accounts, bookings, balances."""
