-- The simulator starts all customers on the first day; a customer counts as joined on the day of the first transaction.
SELECT CUSTOMER_ID::VARCHAR AS customer_id, min(TX_DATETIME)::DATE AS joined_on FROM base GROUP BY CUSTOMER_ID
